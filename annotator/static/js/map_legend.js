// Which cells are shown, in which colour and shape; the legend that says and changes it.

import { byId, make, thousands } from "./dom.js";
import { text } from "./language.js";

const SVG = "http://www.w3.org/2000/svg";
// From like the references (blue) to unlike them (red), visible on light and on dark ground.
const RAMP = [[86, 134, 180], [150, 165, 170], [222, 190, 90], [222, 120, 30], [190, 30, 30]];
const UNKNOWN = [139, 148, 158];
const OUTLINES = [
  "M8 1a7 7 0 1 0 0 14a7 7 0 1 0 0-14z",
  "M2 2h12v12H2z",
  "M8 1l7 13H1z",
  "M8 1l7 7l-7 7l-7-7z",
  "M4 1l4 4l4-4l3 3l-4 4l4 4l-3 3l-4-4l-4 4l-3-3l4-4l-4-4z",
  "M6 1h4v5h5v4h-5v5H6v-5H1V6h5z",
  "M8 1a7 7 0 1 0 0 14a7 7 0 1 0 0-14zM8 5a3 3 0 1 1 0 6a3 3 0 1 1 0-6z",
  "M8 0l1.6 6.4L16 8l-6.4 1.6L8 16l-1.6-6.4L0 8l6.4-1.6z",
];

/** The mark of a group, as in the map. */
export function shapeMark(shape, colour) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "map-shape");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", OUTLINES[shape] ?? OUTLINES[0]);
  path.setAttribute("fill", colour);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

const bytes = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
const ramp = (share) => {
  const at = share * (RAMP.length - 1);
  const low = Math.min(RAMP.length - 2, Math.floor(at));
  return RAMP[low].map((value, i) => Math.round(value + (RAMP[low + 1][i] - value) * (at - low)));
};

export class Legend {
  /** `changed(names)` is told which arrays are new: colours, shapes, states. */
  constructor(points, groups, changed) {
    this.points = points;
    this.groups = groups;
    this.changed = changed;
    this.hidden = { class: new Set(), dataset: new Set() };
    this.least = 0;
    this.by = "class";
    this.colours = new Uint8Array(4 * points.count).fill(255);
    this.shapes = new Uint8Array(points.count);
    byId("colour").addEventListener("change", (event) => this.colourBy(event.target.value));
    byId("least").addEventListener("input", (event) => {
      this.least = Number(event.target.value) / 100;
      byId("least-shown").value = this.least.toFixed(2);
      this.changed(["states"]);
    });
    byId("novelty-filter").hidden = points.novelty.every((value) => value === 255);
    this.colourBy(this.by, true);
  }

  nameOf(by, number) {
    return this.groups[by][number].name ?? text("no label");
  }

  /** Whether the cell of a row is shown. */
  shown(row) {
    const { of, novelty } = this.points;
    return (
      !this.hidden.class.has(of.class[row]) &&
      !this.hidden.dataset.has(of.dataset[row]) &&
      (this.least === 0 || (novelty[row] !== 255 && novelty[row] / 254 >= this.least))
    );
  }

  colourBy(by, quiet = false) {
    this.by = by;
    const { count, of, novelty } = this.points;
    const shapes = this.groups.class.map((group) => group.shape);
    const palette =
      by === "novelty"
        ? Array.from({ length: 256 }, (_, value) => (value === 255 ? UNKNOWN : ramp(value / 254)))
        : this.groups[by].map((group) => bytes(group.colour));
    const marks = by === "dataset" ? this.groups.dataset.map((group) => group.shape) : shapes;
    const number = by === "novelty" ? novelty : of[by];
    const shape = by === "dataset" ? of.dataset : of.class;
    for (let row = 0; row < count; row += 1) {
      this.colours.set(palette[number[row]], 4 * row);
      this.shapes[row] = marks[shape[row]];
    }
    this.list();
    if (!quiet) {
      this.changed(["colours", "shapes"]);
    }
  }

  list() {
    const host = byId("legend");
    if (this.by === "novelty") {
      host.replaceChildren(this.rampRow());
      return;
    }
    host.replaceChildren(...this.groups[this.by].map((group, i) => (group.count ? this.row(group, i) : "")));
  }

  row(group, i) {
    const hidden = this.hidden[this.by];
    const button = make(
      "button",
      {
        type: "button",
        "aria-pressed": String(!hidden.has(i)),
        title: text("Show or hide"),
        on: {
          click: () => {
            hidden.delete(i) || hidden.add(i);
            button.setAttribute("aria-pressed", String(!hidden.has(i)));
            this.changed(["states"]);
          },
        },
      },
      shapeMark(group.shape, group.colour),
      make("span", { class: "map-name", text: this.nameOf(this.by, i) }),
      make("span", { class: "faint", text: thousands(group.count) }),
    );
    return make("li", {}, button);
  }

  rampRow() {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 50 1");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("class", "map-ramp");
    svg.setAttribute("aria-hidden", "true");
    for (let i = 0; i < 50; i += 1) {
      const part = document.createElementNS(SVG, "rect");
      part.setAttribute("x", String(i));
      part.setAttribute("width", "1.1");
      part.setAttribute("height", "1");
      part.setAttribute("fill", `rgb(${ramp(i / 49).join(" ")})`);
      svg.append(part);
    }
    return make("li", {}, svg, make("div", { class: "map-ends" },
      make("span", { text: text("like the labelled cells") }), make("span", { text: text("unlike them") })));
  }
}
