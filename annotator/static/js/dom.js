// Building the page. Text only ever becomes text: no markup is made from strings.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, properties `text` and `on`, and children (nodes or strings). */
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) {
      continue;
    }
    if (name === "text") {
      element.textContent = value;
    } else if (name === "on") {
      for (const [event, listener] of Object.entries(value)) {
        element.addEventListener(event, listener);
      }
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The page has its shape: what was held back until then (base.css) is shown. */
export const drawn = () => document.body.classList.remove("drawing", "drawing-all");

export const byId = (id) => document.getElementById(id);

/** The colour square of a class; a name always stands beside it. */
export const swatch = (code) =>
  make("span", { class: `swatch c-${code}`, "aria-hidden": "true" });

/** A bar of a share 0 to 1 in the colour of a class. */
export function bar(share, code, label) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `bar c-${code}`);
  svg.setAttribute("viewBox", "0 0 100 8");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  for (const [name, width] of [["bar-all", 100], ["bar-part", 100 * share]]) {
    const rect = document.createElementNS(SVG, "rect");
    rect.setAttribute("class", name);
    rect.setAttribute("width", width.toFixed(2));
    rect.setAttribute("height", "8");
    svg.append(rect);
  }
  return svg;
}

/** 0.534 as "53 %"; never 100 % or 0 % unless it is. */
export function percent(value) {
  const shown = Math.round(100 * value);
  if (shown === 100 && value < 1) {
    return "> 99 %";
  }
  if (shown === 0 && value > 0) {
    return "< 1 %";
  }
  return `${shown} %`;
}

/** 12345 as "12 345", with spaces that do not break. */
export const thousands = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");

/** The day and minute of an ISO time, in the reader's own time zone. */
export function moment(time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime())
    ? time
    : date.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
