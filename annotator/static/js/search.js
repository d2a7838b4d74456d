// Choosing a class by typing: by name, short name, code or any alias a data set uses for it.

import { byId, make, swatch } from "./dom.js";
import { text } from "./language.js";

const MOST = 12;
// Without accents: "neutrofilo" finds the neutrófilo.
const plain = (text) =>
  text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/[\s\-_./,()[\]]+/g, "");

/** How well `sought` fits a class: smaller is better, null is not at all. */
function fitness(node, sought) {
  const own = [node.name, node.short, node.code].map(plain);
  const other = node.aliases.map(plain);
  if (own.includes(sought) || other.includes(sought)) {
    return 0;
  }
  if (own.some((name) => name.startsWith(sought))) {
    return 1;
  }
  if (node.name.split(/\s+/).some((word) => plain(word).startsWith(sought))) {
    return 2;
  }
  if (other.some((name) => name.startsWith(sought))) {
    return 3;
  }
  return own.some((name) => name.includes(sought)) ? 4 : null;
}

/** The classes that `typed` may mean, best first. */
export function find(classes, typed) {
  const sought = plain(typed);
  if (!sought) {
    return [];
  }
  return classes
    .map((node, place) => ({ node, place, fit: fitness(node, sought) }))
    .filter((found) => found.fit !== null)
    .sort((a, b) => a.fit - b.fit || a.place - b.place)
    .slice(0, MOST)
    .map((found) => found.node);
}

export class Search {
  /** `choose(code)` is called with the class picked. */
  constructor(classes, choose) {
    this.classes = classes;
    this.choose = choose;
    this.input = byId("search");
    this.list = byId("search-results");
    this.found = [];
    this.at = 0;
    if (matchMedia("(pointer: coarse)").matches) {
      this.input.placeholder = text("Search another class"); // there are no keys to press
    }
    this.input.addEventListener("input", () => this.look());
    this.input.addEventListener("keydown", (event) => this.onKey(event));
    this.input.addEventListener("blur", () => this.close());
  }

  open() {
    this.input.focus();
    this.input.select();
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  look() {
    this.found = find(this.classes, this.input.value);
    this.at = 0;
    this.draw();
  }

  draw() {
    if (!this.input.value.trim()) {
      this.close();
      return;
    }
    const rows = this.found.map((node, i) =>
      make(
        "li",
        {
          id: `found-${i}`,
          role: "option",
          "aria-selected": String(i === this.at),
          on: {
            pointerdown: (event) => {
              event.preventDefault(); // keeps the focus, and so the list, until the click is over
              this.take(node);
            },
          },
        },
        swatch(node.code),
        make("span", { text: node.name }),
        make("span", { class: "faint", text: node.path.slice(1).join(" › ") }),
      ),
    );
    if (!rows.length) {
      rows.push(make("li", { class: "faint", text: text("No class of that name") }));
    }
    this.list.replaceChildren(...rows);
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    if (this.found.length) {
      this.input.setAttribute("aria-activedescendant", `found-${this.at}`);
      rows[this.at].scrollIntoView({ block: "nearest" });
    }
  }

  take(node) {
    this.input.value = "";
    this.close();
    this.input.blur();
    this.choose(node.code);
  }

  onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.found.length) {
      this.at = (this.at + step + this.found.length) % this.found.length;
      this.draw();
    } else if (event.key === "Enter") {
      if (this.found.length) {
        this.take(this.found[this.at]);
      }
    } else if (event.key === "Escape") {
      this.input.value = "";
      this.close();
      this.input.blur();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
