// A grid of cells that stays fast at any number: only what is near the view is in the page.
//
//   <link rel="stylesheet" href="css/grid.css">   <div id="cells"></div>
//
//   import { Grid } from "./grid.js";
//   const grid = new Grid(byId("cells"), {
//     label: text("Cells"),            // name of the whole, for screen readers
//     name: (item) => `Cell ${item.id}`, // name of one, for screen readers; say its class too
//     size: 136,                       // least width of a tile in pixels (default 136)
//     words: 44,                       // height below the picture in pixels, 0 for none (44)
//     draw: (item) => [node, …],       // what stands below the picture (nodes or strings)
//     select: "many",                  // "many", "one" or "none" (default)
//     click: "toggle",                 // a plain click: "toggle" (default), "replace" or "open"
//     href: (item) => `/cells/${item.id}`, // makes each tile a link; needs click: "open"
//     more: async () => items,         // the next items, [] when there are none; called by itself
//     total: 1234,                     // how many there are in all, where known
//     onError: (error) => {},          // `more` has failed; it is not asked again until set()
//     onSelect: (ids) => {},           // Set of the ids selected, after every change
//     onActive: (item) => {},          // the keyboard or pointer has come to this item
//     onOpen: (item, event) => {},     // Enter or double click (any click with click: "open")
//     onKey: (event, item) => true,    // other keys first; true: done, the grid does nothing
//   });
//   grid.set(items, total)             // an item is {id, thumbnail, …}; ids are unique
//   grid.append(items)                 // add at the end
//   grid.update(item)                  // draw one anew (same id); its place does not move
//   grid.remove(ids)                   // take out; the others close up
//   grid.select(ids)                   // exactly these
//   grid.selected                      // Set of ids
//   grid.items, grid.active            // all items; the one the keyboard is on, or null
//   grid.go(id)                        // make active and bring into view; grid.focus() too
//
// Keys: arrows, Home, End, Page Up/Down move; Space toggles; Shift with any of these or with a
// click takes the range, in the state of the item it began at; Ctrl-A all; Esc none; Enter opens. A mouse draws a frame around many.
// A tile has class "tile", selected ones aria-selected="true" and a tick. Tiles are never resized
// by what is drawn in them, so nothing on the page moves.

import { frame, Selection } from "./grid_select.js";
import { GAP, GridView } from "./grid_view.js";

const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp",
               "PageDown"];

export class Grid extends GridView {
  constructor(host, options) {
    super(host, options);
    this.selection = new Selection(() => this.selectionChanged());
    host.classList.add("grid");
    host.tabIndex = 0;
    host.setAttribute("role", "listbox");
    host.setAttribute("aria-label", this.options.label ?? "");
    host.setAttribute("aria-multiselectable", String(this.options.select === "many"));
    host.addEventListener("keydown", (event) => this.key(event));
    host.addEventListener("click", (event) => this.click(event));
    host.addEventListener("dblclick", (event) => this.open(event));
    host.addEventListener("focus", () => this.at < 0 && this.items.length && this.activate(0));
    if (this.options.select === "many") {
      frame(host, (area, finished) => this.framed(area, finished));
    }
    this.watch();
  }

  set(items, total = null) {
    this.selection.ids.clear();
    this.selection.anchor = 0;
    this.replace(items, total);
  }

  remove(ids) {
    const gone = new Set([...ids].filter((id) => this.places.has(id)));
    gone.forEach((id) => this.selection.ids.delete(id));
    this.takeOut(gone);
    this.selectionChanged();
  }

  select(ids) {
    this.selection.replace([...ids].filter((id) => this.places.has(id)));
  }

  get selected() {
    return new Set(this.selection.ids);
  }

  isSelected(item) {
    return this.selection?.ids.has(item.id) ?? false;
  }

  go(id) {
    const index = this.places.get(id);
    if (index !== undefined) {
      this.move(index);
    }
  }

  focus() {
    this.host.focus({ preventScroll: true });
  }

  // Moving and selecting -------------------------------------------------------------------------

  key(event) {
    if (!this.items.length || this.options.onKey?.(event, this.active)) {
      return;
    }
    const many = this.options.select === "many";
    const control = event.ctrlKey || event.metaKey;
    if (MOVES.includes(event.key) && !event.altKey) {
      const from = this.at;
      this.move(this.target(event.key, control));
      if (many && event.shiftKey) {
        this.range(from);
      }
    } else if (event.key === " " && this.options.select !== "none") {
      this.pick(this.at, event.shiftKey);
    } else if (control && event.key.toLowerCase() === "a" && many) {
      this.selection.replace(this.items.map((item) => item.id));
    } else if (event.key === "Escape" && this.selection.ids.size) {
      this.selection.replace([]);
    } else if (event.key === "Enter" && this.options.onOpen && this.active) {
      this.options.onOpen(this.active, event);
    } else {
      return;
    }
    event.preventDefault();
  }

  target(key, control) {
    const page = Math.max(1, Math.floor(innerHeight / this.rowHeight) - 1) * this.columns;
    const row = this.at - (this.at % this.columns);
    const last = this.items.length - 1;
    return {
      ArrowLeft: this.at - 1,
      ArrowRight: this.at + 1,
      ArrowUp: this.at < this.columns ? this.at : this.at - this.columns,
      ArrowDown: Math.min(last, this.at + this.columns),
      Home: control ? 0 : row,
      End: control ? last : row + this.columns - 1,
      PageUp: Math.max(this.at % this.columns, this.at - page),
      PageDown: Math.min(last, this.at + page),
    }[key];
  }

  indexOf(event) {
    const tile = event.target.closest?.(".tile");
    return tile && this.host.contains(tile) ? Number(tile.dataset.index) : -1;
  }

  click(event) {
    const index = this.indexOf(event);
    if (index < 0) {
      return;
    }
    const modified = event.shiftKey || event.ctrlKey || event.metaKey;
    const opens = this.options.click === "open" && !(modified && this.options.select === "many");
    if (opens) {
      this.activate(index);
      this.options.onOpen?.(this.active, event);
      return;
    }
    event.preventDefault();
    this.activate(index);
    if (this.options.select !== "none") {
      this.pick(index, event.shiftKey, event.ctrlKey || event.metaKey);
    }
  }

  open(event) {
    if (this.indexOf(event) >= 0 && this.options.click !== "open") {
      this.options.onOpen?.(this.active, event);
    }
  }

  pick(index, shift, control = false) {
    const toggle = control || this.options.click !== "replace";
    const { id } = this.items[index];
    const many = this.options.select === "many";
    if (many && shift) {
      this.range(this.selection.anchor);
      return;
    }
    if (many && toggle) {
      this.selection.toggle(id);
    } else {
      this.selection.replace(!many && this.selection.ids.has(id) ? [] : [id]);
    }
    this.selection.anchor = index;
  }

  /** From `from` to the active item: as the item is that the range began at. */
  range(from) {
    const begin = this.items[from];
    const [low, high] = [Math.min(from, this.at), Math.max(from, this.at)];
    const ids = this.items.slice(low, high + 1).map((item) => item.id);
    this.selection.range(ids, this.options.click === "toggle" && this.selection.ids.size > 0
      ? this.selection.ids.has(begin.id) : true);
  }

  framed(area, finished) {
    const held = (this.held ??= new Set(this.selection.ids));
    const column = (x) => Math.floor((x + GAP) / (this.side + GAP));
    const ids = [];
    const firstRow = Math.max(0, Math.floor(area.top / this.rowHeight));
    const lastRow = Math.floor(area.bottom / this.rowHeight);
    const [left, right] = [Math.max(0, column(area.left)), Math.min(this.columns - 1, column(area.right))];
    for (let row = firstRow; row <= lastRow; row += 1) {
      const line = this.items.slice(row * this.columns + left, row * this.columns + right + 1);
      ids.push(...line.map((item) => item.id));
    }
    // A frame whose first item is selected takes away, as a click there would.
    this.adds ??= !held.has(ids[0]);
    this.selection.replace(this.adds ? [...held, ...ids] : [...held].filter((id) => !ids.includes(id)));
    if (finished) {
      this.held = undefined;
      this.adds = undefined;
    }
  }

  selectionChanged() {
    for (const tile of this.tiles.values()) {
      const item = this.items[Number(tile.dataset.index)];
      tile.setAttribute("aria-selected", String(this.selection.ids.has(item.id)));
    }
    this.options.onSelect?.(new Set(this.selection.ids));
  }
}
