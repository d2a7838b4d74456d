// The picture of the cell: fit, zoom, move. The stored picture is never altered; up to the frame
// it is smoothed, and only where the reader zooms past one picture pixel a screen pixel and past
// the frame do pixels show as squares.

import { byId } from "./dom.js";
import { text } from "./language.js";

const STEP = 1.5;
const MOST = 32;

export class Viewer {
  constructor(frame, picture, words) {
    this.frame = frame;
    this.picture = picture;
    this.words = words;
    this.zoom = null; // null: fit
    this.x = 0.5; // the point of the picture in the middle of the frame, 0 to 1
    this.y = 0.5;
    this.size = [1, 1];
    this.dragging = null;
    this.drawn = () => {}; // told the screen pixels a picture pixel, null for another picture
    this.address = "";
    this.other = false;
    new ResizeObserver(() => this.draw()).observe(frame);
    picture.addEventListener("load", () => this.draw());
    frame.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    frame.addEventListener("pointerdown", (event) => this.onDown(event));
    frame.addEventListener("pointermove", (event) => this.onMove(event));
    for (const over of ["pointerup", "pointercancel"]) {
      frame.addEventListener(over, () => {
        this.dragging = null;
      });
    }
    frame.addEventListener("dblclick", (event) => {
      if (!event.target.closest("a, button, details")) {
        this.fit();
      }
    });
    byId("zoom-in").addEventListener("click", () => this.step(STEP));
    byId("zoom-out").addEventListener("click", () => this.step(1 / STEP));
    byId("zoom-fit").addEventListener("click", () => this.fit());
  }

  /** Show a picture of `width` by `height` pixels. */
  show(address, width, height, alt) {
    this.own = [width, height];
    this.size = this.own;
    this.other = false;
    this.picture.alt = alt;
    if (this.address !== address) {
      this.zoom = null;
    }
    if (this.picture.getAttribute("src") !== address) {
      this.picture.src = address;
    }
    this.address = address;
    this.draw();
  }

  /** Show a square picture in place of the cell's own; null: the cell's own again. */
  instead(address) {
    this.other = address !== null;
    this.size = this.other ? [1, 1] : this.own;
    this.zoom = null;
    this.picture.src = address ?? this.address;
    this.draw();
  }

  /** Screen pixels a picture pixel when the whole picture fits. */
  fitting() {
    const box = this.frame.getBoundingClientRect();
    return Math.min(box.width / this.size[0], box.height / this.size[1]);
  }

  fit() {
    this.zoom = null;
    this.draw();
  }

  step(factor) {
    const fitting = this.fitting();
    const next = (this.zoom ?? fitting) * factor;
    this.zoom = next <= fitting * 1.01 ? null : Math.min(next, Math.max(MOST, fitting));
    this.draw();
  }

  onWheel(event) {
    if (event.target.closest("details")) {
      return;
    }
    event.preventDefault();
    this.step(event.deltaY < 0 ? 1.2 : 1 / 1.2);
  }

  onDown(event) {
    if (event.button === 0 && this.zoom !== null && !event.target.closest("a, button, details")) {
      this.frame.setPointerCapture(event.pointerId);
      this.dragging = [event.clientX, event.clientY];
    }
  }

  onMove(event) {
    if (!this.dragging) {
      return;
    }
    this.x -= (event.clientX - this.dragging[0]) / (this.zoom * this.size[0]);
    this.y -= (event.clientY - this.dragging[1]) / (this.zoom * this.size[1]);
    this.dragging = [event.clientX, event.clientY];
    this.draw();
  }

  /** Keep the picture inside the frame and put it where it belongs. */
  draw() {
    const box = this.frame.getBoundingClientRect();
    if (!box.width) {
      return;
    }
    const scale = this.zoom ?? this.fitting();
    const [width, height] = [this.size[0] * scale, this.size[1] * scale];
    const clamp = (value, shown) => {
      const half = Math.min(0.5, shown / 2);
      return Math.min(1 - half, Math.max(half, value));
    };
    this.x = this.zoom === null ? 0.5 : clamp(this.x, box.width / width);
    this.y = this.zoom === null ? 0.5 : clamp(this.y, box.height / height);
    this.picture.style.width = `${width}px`;
    this.picture.style.height = `${height}px`;
    this.picture.style.transform = `translate(${-this.x * width}px, ${-this.y * height}px)`;
    this.drawn(this.other ? null : scale);
    const dense = scale * window.devicePixelRatio;
    const pixels = this.zoom !== null && dense > 1;
    this.picture.classList.toggle("pixels", pixels);
    const times = scale < 10 ? scale.toFixed(1) : Math.round(scale);
    const fit = text("fit");
    if (this.other) {
      this.words.textContent = fit;
    } else {
      this.words.textContent = this.zoom === null ? `${fit} · ${times}×` : `${times}×`;
    }
  }
}
