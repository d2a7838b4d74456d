// Brightness, contrast and sharpening of what is shown. The picture itself stays as it is: the
// browser filters what it paints. Sharpening is off until asked for, and nothing is remembered, so
// that no cell is ever judged through a forgotten filter.

import { byId } from "./dom.js";

export class Adjust {
  constructor() {
    this.panel = byId("adjust");
    this.brightness = byId("brightness");
    this.contrast = byId("contrast");
    this.sharper = byId("sharper");
    for (const input of [this.brightness, this.contrast, this.sharper]) {
      input.addEventListener("input", () => this.apply());
    }
    byId("adjust-reset").addEventListener("click", () => this.reset());
    this.apply();
  }

  /** Whether anything but the stored picture is shown. */
  get changed() {
    return this.brightness.value !== "100" || this.contrast.value !== "100" || this.sharper.checked;
  }

  apply() {
    byId("brightness-words").textContent = `${this.brightness.value} %`;
    byId("contrast-words").textContent = `${this.contrast.value} %`;
    const filter = [
      `brightness(${this.brightness.value}%)`,
      `contrast(${this.contrast.value}%)`,
      this.sharper.checked ? "url(#sharpen)" : "",
    ].join(" ");
    for (const picture of document.querySelectorAll(this.panel.dataset.target)) {
      picture.style.filter = this.changed ? filter : "";
    }
    this.panel.classList.toggle("changed", this.changed);
  }

  reset() {
    this.brightness.value = "100";
    this.contrast.value = "100";
    this.sharper.checked = false;
    this.apply();
  }
}
