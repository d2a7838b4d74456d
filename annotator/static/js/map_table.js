// The cells of the map as a table: for screen readers, and for whoever likes rows better.

import { byId, make, thousands } from "./dom.js";
import { text } from "./language.js";

const ROWS = 25;

export class Table {
  /** `cells()` gives the rows in question, `toggle(row)` changes whether one is selected. */
  constructor(points, legend, chosen, { cells, toggle }) {
    Object.assign(this, { points, legend, chosen, cells, toggle });
    this.at = 0;
    this.rows = [];
    for (const id of ["table-which", "table-order"]) {
      byId(id).addEventListener("change", () => this.refresh());
    }
    byId("rows-back").addEventListener("click", () => this.turn(-1));
    byId("rows-on").addEventListener("click", () => this.turn(1));
    this.refresh();
  }

  /** Work out anew which cells the table holds. */
  refresh() {
    const { ids, novelty, of } = this.points;
    const known = (row) => (novelty[row] === 255 ? -1 : novelty[row]);
    const order = {
      id: (a, b) => ids[a] - ids[b],
      novelty: (a, b) => known(b) - known(a) || ids[a] - ids[b],
      class: (a, b) => of.class[a] - of.class[b] || ids[a] - ids[b],
    }[byId("table-order").value];
    this.rows = this.cells(byId("table-which").value).sort(order);
    this.at = 0;
    this.draw();
  }

  turn(by) {
    this.at += by * ROWS;
    this.draw();
  }

  draw() {
    const shown = this.rows.slice(this.at, this.at + ROWS);
    byId("rows").replaceChildren(...shown.map((row) => this.row(row)));
    byId("rows-back").disabled = this.at === 0;
    byId("rows-on").disabled = this.at + ROWS >= this.rows.length;
    byId("rows-at").textContent = this.rows.length
      ? text("{from} to {to} of {all}", {
          from: thousands(this.at + 1),
          to: thousands(this.at + shown.length),
          all: thousands(this.rows.length),
        })
      : text("no cells");
  }

  row(row) {
    const id = this.points.ids[row];
    const tick = make("input", {
      type: "checkbox",
      "aria-label": text("Select cell {id}", { id }),
      on: { change: () => this.toggle(row) },
    });
    tick.checked = this.chosen.has(row);
    tick.dataset.row = String(row);
    const novelty = this.points.noveltyOf(row);
    return make(
      "tr",
      {},
      make("td", {}, tick),
      make("td", {}, make("a", { href: `/cells/${id}`, text: String(id) })),
      make("td", { text: this.legend.nameOf("class", this.points.of.class[row]) }),
      make("td", { text: this.legend.nameOf("dataset", this.points.of.dataset[row]) }),
      make("td", { class: "number", text: novelty === null ? "–" : novelty.toFixed(2) }),
    );
  }

  /** Show which of the rows in view are selected. */
  mark() {
    for (const tick of byId("rows").querySelectorAll("input")) {
      tick.checked = this.chosen.has(Number(tick.dataset.row));
    }
  }
}
