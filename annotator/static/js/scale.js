// Pictures at one scale: a micrometre takes the same room in each, where the width of a pixel is
// known of all; else a pixel does, and it is said that the scale is unknown.

import { drawn, make } from "./dom.js";
import { text } from "./language.js";

const SVG = "http://www.w3.org/2000/svg";
const ROUND = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];
const MOST = 12; // screen pixels a picture pixel

/** The longest round length in micrometres that takes at most `room` screen pixels. */
export function roundLength(perMicrometre, room) {
  return ROUND.findLast((length) => length * perMicrometre <= room) ?? ROUND[0];
}

/** A bar of a round length, as it is drawn below a picture. */
export function scaleBar(perMicrometre, room) {
  const length = roundLength(perMicrometre, room);
  const width = length * perMicrometre;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "scale-bar");
  svg.setAttribute("width", String(Math.ceil(width) + 2));
  svg.setAttribute("height", "9");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", `M1 1v6M1 4h${width}M${width + 1} 1v6`);
  svg.append(path);
  return make("span", { class: "scale" }, svg,
    make("span", { text: text("{length} µm", { length }) }));
}

/** Whether all of `figures` can be shown at one scale in micrometres. */
const allKnown = (figures) => figures.every((figure) => Number(figure.dataset.micrometres) > 0);

/** Size the pictures of `figures` (class sample) so that they stand at one scale. */
export function level(figures) {
  const known = allKnown(figures);
  const size = (figure) => (known ? Number(figure.dataset.micrometres) : 1);
  const room = Math.min(...figures.flatMap(({ firstElementChild: frame }) =>
    [frame.clientWidth, frame.clientHeight]));
  if (!(room > 0)) {
    return;
  }
  const largest = Math.max(...figures.map((figure) =>
    size(figure) * Math.max(Number(figure.dataset.width), Number(figure.dataset.height))));
  const unit = Math.min(room / largest, MOST / Math.min(...figures.map(size)));
  for (const figure of figures) {
    const { width, height, micrometres } = figure.dataset;
    const picture = figure.querySelector("img");
    picture.style.width = `${unit * size(figure) * Number(width)}px`;
    picture.style.height = `${unit * size(figure) * Number(height)}px`;
    const words = figure.querySelector(".sample-scale");
    if (Number(micrometres) > 0) {
      words.replaceChildren(scaleBar((unit * size(figure)) / Number(micrometres), room / 2));
    } else {
      words.textContent = text("scale unknown: no pixel size is given for this data set");
    }
  }
}

/** Keep the pictures of every element `.samples` at one scale, whatever the width of the page. */
export function keepLevel() {
  if (!document.querySelector(".samples .sample")) {
    drawn();
  }
  for (const group of document.querySelectorAll(".samples")) {
    const figures = [...group.querySelectorAll(".sample")];
    if (figures.length) {
      new ResizeObserver(() => {
        level(figures);
        drawn();
      }).observe(group);
    }
  }
}
