// The cells of a sheet: which are ticked, which are given another class, which have moved.

import { make, percent, swatch } from "./dom.js";
import { Grid } from "./grid.js";
import { text } from "./language.js";
import { Enlarged } from "./sheet_closer.js";

const TWICE = 400; // milliseconds within which two clicks on a cell are a double click

export class SheetGrid {
  /** `classes` maps codes to classes; `changed()` is called when what is ticked changes. */
  constructor(host, classes, changed) {
    this.host = host;
    this.classes = classes;
    this.changed = changed;
    this.given = new Map(); // cell -> code of another class
    this.touched = new Set(); // cells the reader has ticked or unticked: they stay so
    this.program = new Set(); // cells that were unticked by the program and not since by the reader
    this.before = new Set();
    this.unfolded = false;
    this.doubtful = new Set();
    this.grid = new Grid(host, {
      label: text("Cells of the sheet; ticked ones will be labelled"),
      name: (cell) => this.name(cell),
      draw: (cell) => this.words(cell),
      words: 30,
      size: 112,
      select: "many",
      onKey: (event) => event.key === "Enter" || event.key === "Escape",
      onSelect: (ids) => this.selected(ids),
    });
    this.enlarged = new Enlarged(this.grid, (cell) => this.name(cell));
    this.clicked = null;
    host.addEventListener("click", (event) => this.click(event));
  }

  /** Two clicks on a cell show it large. A click draws the tile anew, so no browser counts two. */
  click(event) {
    const index = event.target.closest?.(".tile")?.dataset.index;
    const twice = index !== undefined && this.clicked?.index === index
      && event.timeStamp - this.clicked.time < TWICE;
    this.clicked = twice ? null : { index, time: event.timeStamp };
    if (twice) {
      this.enlarge();
    }
  }

  /** Show the cell that the keyboard is on, large. */
  enlarge() {
    this.enlarged.open();
  }

  show(sheet) {
    this.sheet = sheet;
    this.given.clear();
    this.touched.clear();
    this.unfolded = false;
    this.doubtful = new Set(sheet.doubtful);
    this.before = new Set();
    this.host.hidden = false;
    this.grid.set(sheet.cells, sheet.cells.length);
    // A sheet that was taken back stands there as the reader had left it.
    this.program = new Set(sheet.by_program);
    const out = new Map(Object.entries(sheet.out).map(([id, code]) => [Number(id), code]));
    for (const [id, code] of out) {
      if (code) {
        this.given.set(id, code);
      }
      if (code || !this.program.has(id)) {
        this.touched.add(id);
      }
    }
    const ticked = [];
    for (const { id, moved } of sheet.cells) {
      if (!moved && !out.has(id)) {
        ticked.push(id);
      } else if (moved && !out.has(id)) {
        this.program.add(id);
      }
    }
    this.before = new Set(ticked);
    this.grid.select(ticked);
    this.grid.items.forEach((cell) => this.grid.update(cell));
  }

  get ticked() {
    return this.grid.selected.size;
  }

  /** What is taken out: the class given to each cell, null for none. */
  get out() {
    const ticked = this.grid.selected;
    return Object.fromEntries(this.grid.items.filter((cell) => !ticked.has(cell.id))
      .map((cell) => [cell.id, this.given.get(cell.id) ?? null]));
  }

  /** Of what is taken out, the cells that the reader had no part in taking out. */
  get moved() {
    const ticked = this.grid.selected;
    return [...this.program].filter((id) => !ticked.has(id));
  }

  focus() {
    this.grid.focus();
  }

  /** Give the cell that the keyboard is on another class; its own class ticks it again. */
  correct(code) {
    const cell = this.grid.active;
    if (!cell) {
      return;
    }
    const ticked = this.grid.selected;
    this.touched.add(cell.id);
    if (code === this.sheet.class.code) {
      this.given.delete(cell.id);
      ticked.add(cell.id);
    } else {
      this.given.set(cell.id, code);
      ticked.delete(cell.id);
    }
    this.grid.select(ticked);
    this.grid.update(cell);
  }

  /** Cells that are proposed as another class by now; how many were unticked for it. */
  move(cells) {
    const moved = new Map(cells.map((each) => [each.cell, each.moved]));
    const ticked = this.grid.selected;
    let count = 0;
    for (const cell of this.grid.items) {
      const now = moved.get(cell.id) ?? null;
      if ((cell.moved?.code ?? null) === (now?.code ?? null)) {
        continue;
      }
      cell.moved = now;
      if (!this.touched.has(cell.id)) {
        if (now && ticked.delete(cell.id)) {
          this.program.add(cell.id);
          count += 1;
        } else if (!now && !this.given.has(cell.id)) {
          ticked.add(cell.id);
        }
      }
      this.grid.update(cell);
    }
    this.before = new Set(ticked);
    this.grid.select(ticked);
    return count;
  }

  unfold(cells) {
    const ticked = this.grid.selected;
    const more = cells.map((cell) => ({ ...cell, moved: null }));
    this.grid.options.total = this.grid.items.length + more.length;
    this.grid.append(more);
    more.forEach((cell) => ticked.add(cell.id));
    this.unfolded = true;
    this.before = new Set(ticked);
    this.grid.select(ticked);
  }

  selected(ids) {
    const other = this.grid.items.filter((cell) => ids.has(cell.id) !== this.before.has(cell.id));
    this.before = new Set(ids);
    for (const cell of other) {
      this.touched.add(cell.id);
      this.program.delete(cell.id);
      if (ids.has(cell.id)) {
        this.given.delete(cell.id);
      }
      this.grid.update(cell);
    }
    this.changed();
  }

  /** The words below a cell: a class given, out, moved, doubtful; nothing where all is well. */
  words(cell) {
    const code = this.given.get(cell.id);
    if (code) {
      return [make("span", { class: "word-out" }, swatch(code),
        ` ${this.classes.get(code).short}`)];
    }
    if (cell.moved) {
      return [make("span", { class: "word-moved" }, swatch(cell.moved.code),
        ` ${cell.moved.short} ${percent(cell.moved.probability)}`)];
    }
    if (!this.before.has(cell.id)) {
      return [make("span", { class: "word-out", text: text("out") })];
    }
    return this.doubtful.has(cell.id)
      ? [make("span", { class: "word-doubtful", text: text("doubtful") })]
      : [];
  }

  name(cell) {
    const parts = [text("Cell {id}", { id: cell.id })];
    const code = this.given.get(cell.id);
    if (code) {
      parts.push(text("given {name}", { name: this.classes.get(code).name }));
    } else if (cell.moved) {
      parts.push(text("proposed as {name} now", { name: cell.moved.name }));
    } else if (this.doubtful.has(cell.id)) {
      parts.push(text("doubtful"));
    }
    return parts.join(", ");
  }
}
