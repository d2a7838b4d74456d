// Looking closely at a sheet: labelled cells of its class above it, and one of its cells enlarged.

import { byId, make } from "./dom.js";
import { text } from "./language.js";

/** Fill the strip of labelled cells of the class of a sheet; whether there are any. */
export function showReferences(sheet) {
  const { name } = sheet.class;
  byId("references-words").textContent = text("Labelled {name}", { name: name.toLowerCase() });
  byId("references-list").replaceChildren(...sheet.references.map((cell) =>
    make("li", {}, make("img", {
      src: cell.thumbnail, width: 72, height: 72, draggable: "false",
      alt: text("Cell {id}, labelled {name}", { id: cell.id, name: name.toLowerCase() }),
    }))));
  return sheet.references.length > 0;
}

/** One cell of the grid in a dialog, large; the arrows go on to its neighbours. */
export class Enlarged {
  /** `grid` is a Grid, `name(cell)` the words for one of its cells. */
  constructor(grid, name) {
    this.grid = grid;
    this.name = name;
    this.dialog = byId("enlarged");
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    byId("enlarged-before").addEventListener("click", () => this.step(-1));
    byId("enlarged-after").addEventListener("click", () => this.step(1));
  }

  open(cell = this.grid.active) {
    if (!cell) {
      return;
    }
    byId("enlarged-title").textContent = this.name(cell);
    byId("enlarged-picture").src = cell.picture;
    byId("enlarged-picture").alt = this.name(cell);
    if (!this.dialog.open) {
      this.dialog.showModal();
    }
  }

  step(by) {
    const { items } = this.grid;
    const next = items[items.indexOf(this.grid.active) + by];
    if (next) {
      this.grid.go(next.id);
      this.open(next);
    }
  }

  key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key in steps) {
      event.preventDefault();
      this.step(steps[event.key]);
    } else if (event.key === "+") {
      event.preventDefault();
      event.stopPropagation();
      this.dialog.close();
    }
  }
}
