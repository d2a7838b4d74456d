// Pointer, touch and keyboard on the map: pan, zoom, lasso, and a circle moved by keys.

import { byId } from "./dom.js";

const STEP = 14; // pixels an arrow key moves the circle
const CLOSE = 4; // pixels between corners of a lasso

export class Hand {
  /**
   * `act` holds: lasso(line, adds), circle(place, radius, adds), point(place), none(), walk(place,
   * radius). Places are of the map, radii in map units.
   */
  constructor(view, act) {
    this.view = view;
    this.act = act;
    this.tool = "lasso";
    this.line = null;
    this.pointers = new Map();
    this.radius = 30;
    this.at = null;
    const { canvas } = view;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.up(event, true));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => byId("cursor").setAttribute("hidden", ""));
    for (const tool of ["move", "lasso"]) {
      byId(`tool-${tool}`).addEventListener("click", () => this.take(tool));
    }
    byId("zoom-in").addEventListener("click", () => view.zoomBy(1.5));
    byId("zoom-out").addEventListener("click", () => view.zoomBy(1 / 1.5));
    byId("zoom-all").addEventListener("click", () => view.whole());
  }

  take(tool) {
    this.tool = tool;
    for (const each of ["move", "lasso"]) {
      byId(`tool-${each}`).setAttribute("aria-pressed", String(each === tool));
    }
    byId("plot").classList.toggle("moving", tool === "move");
  }

  place(event) {
    const box = this.view.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    if (event.button > 1) {
      return;
    }
    this.view.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.place(event));
    const lasso = (this.tool === "lasso") !== event.shiftKey && event.button === 0;
    this.line = lasso && this.pointers.size === 1 ? [this.place(event)] : null;
    this.dragged = false;
    this.drawLine();
  }

  move(event) {
    const here = this.place(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.act.point(this.view.toMap(...here));
      return;
    }
    if (this.pointers.size === 2) {
      this.pinch(event.pointerId, here);
    } else if (this.line) {
      const [x, y] = this.line.at(-1);
      if (Math.hypot(here[0] - x, here[1] - y) >= CLOSE) {
        this.line.push(here);
        this.drawLine();
      }
    } else {
      this.view.pan(here[0] - before[0], here[1] - before[1]);
    }
    this.dragged ||= Math.hypot(here[0] - before[0], here[1] - before[1]) > CLOSE;
    this.pointers.set(event.pointerId, here);
  }

  pinch(moved, here) {
    this.line = null;
    this.drawLine();
    const [other] = [...this.pointers].filter(([id]) => id !== moved).map(([, place]) => place);
    const before = this.pointers.get(moved);
    const far = (a, b) => Math.max(10, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const middle = [(here[0] + other[0]) / 2, (here[1] + other[1]) / 2];
    this.view.pan((here[0] - before[0]) / 2, (here[1] - before[1]) / 2);
    this.view.zoomBy(far(here, other) / far(before, other), ...middle);
  }

  up(event, cancelled = false) {
    this.pointers.delete(event.pointerId);
    const line = this.line;
    this.line = null;
    this.drawLine();
    if (cancelled || !line) {
      return;
    }
    if (line.length > 3) {
      const keep = event.ctrlKey || event.metaKey;
      this.act.lasso(line.map(([x, y]) => this.view.toMap(x, y)), keep, event.altKey);
    } else {
      this.act.point(this.view.toMap(...line[0]), true);
    }
  }

  drawLine() {
    byId("lasso").setAttribute("points", (this.line ?? []).map((place) => place.join()).join(" "));
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.view.zoomBy(Math.exp(-event.deltaY * lines * 0.0015), ...this.place(event));
  }

  // Keyboard ------------------------------------------------------------------------------------

  key(event) {
    const far = event.shiftKey ? 5 * STEP : STEP;
    const steps = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] };
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (steps[event.key]) {
      this.walk(...steps[event.key]);
    } else if (event.key === "[" || event.key === "]") {
      this.radius = Math.min(300, Math.max(6, this.radius * (event.key === "]" ? 1.25 : 0.8)));
      this.walk(0, 0);
    } else if (event.key === " " || event.key === "Delete" || event.key === "Backspace") {
      this.walk(0, 0);
      this.act.circle(this.at, this.radius / this.view.unit, event.key === " ");
    } else if (event.key === "+" || event.key === "=" || event.key === "-") {
      this.view.zoomBy(event.key === "-" ? 1 / 1.4 : 1.4, ...this.middle());
      this.walk(0, 0);
    } else if (event.key === "0") {
      this.view.whole();
    } else if (event.key === "Escape") {
      this.act.none();
    } else {
      return;
    }
    event.preventDefault();
  }

  middle() {
    const { clientWidth, clientHeight } = this.view.canvas;
    return this.at ? this.view.toPage(...this.at) : [clientWidth / 2, clientHeight / 2];
  }

  walk(dx, dy) {
    const [x, y] = this.middle();
    this.at = this.view.toMap(x + dx, y + dy);
    this.view.reveal(...this.at);
    this.drawCursor();
    this.act.walk(this.at, this.radius / this.view.unit);
  }

  /** Where the circle is now; called whenever the map has moved. */
  drawCursor() {
    if (!this.at || document.activeElement !== this.view.canvas) {
      return;
    }
    const [x, y] = this.view.toPage(...this.at);
    byId("cursor").setAttribute("transform", `translate(${x} ${y})`);
    byId("cursor-ring").setAttribute("r", String(this.radius));
    byId("cursor").removeAttribute("hidden");
  }
}
