// What of a grid is in the page: the tiles near the view, laid out in rows of squares. See grid.js.

import { make } from "./dom.js";
import { paint, PictureStore } from "./grid_pictures.js";

export const GAP = 10; // pixels between tiles
const AHEAD = 1.5; // screens of pictures fetched beyond the view, in both directions
let grids = 0;

export class GridView {
  constructor(host, options) {
    this.options = { size: 136, words: 44, select: "none", click: "toggle", total: null, ...options };
    this.host = host;
    this.items = [];
    this.places = new Map(); // id -> index
    this.tiles = new Map(); // index -> tile in the page
    this.at = -1; // index that is active
    this.columns = 1;
    this.finished = !this.options.more;
    this.prefix = `grid${(grids += 1)}-`;
    this.store = new PictureStore();
  }

  isSelected() {
    return false;
  }

  /** Take other items in place of those there are. */
  replace(items, total) {
    this.clear();
    this.items = [];
    this.places.clear();
    this.at = -1;
    this.finished = !this.options.more;
    this.options.total = total;
    this.append(items);
  }

  clear() {
    this.tiles.forEach((tile) => tile.remove());
    this.tiles.clear();
  }

  append(items) {
    for (const item of items) {
      this.places.set(item.id, this.items.length);
      this.items.push(item);
    }
    this.layOut();
  }

  update(item) {
    const index = this.places.get(item.id);
    if (index !== undefined) {
      this.items[index] = item;
      this.redraw(index);
    }
  }

  takeOut(gone) {
    const active = this.active;
    this.clear();
    this.items = this.items.filter((item) => !gone.has(item.id));
    this.places = new Map(this.items.map((item, index) => [item.id, index]));
    const last = this.items.length - 1;
    this.at = active ? (this.places.get(active.id) ?? Math.min(this.at, last)) : -1;
    if (this.options.total !== null) {
      this.options.total -= gone.size;
    }
    this.layOut();
  }

  get active() {
    return this.items[this.at] ?? null;
  }

  /** Lay out now, and again whenever the view or the width changes. */
  watch() {
    let asked = false;
    const soon = () => {
      if (!asked) {
        asked = true;
        requestAnimationFrame(() => {
          asked = false;
          this.show();
        });
      }
    };
    document.addEventListener("scroll", soon, { capture: true, passive: true });
    addEventListener("resize", soon);
    new ResizeObserver(() => this.layOut()).observe(this.host);
    this.layOut();
  }

  layOut() {
    const width = this.host.clientWidth;
    if (!width) {
      return;
    }
    this.columns = Math.max(1, Math.floor((width + GAP) / (this.options.size + GAP)));
    this.side = (width - GAP * (this.columns - 1)) / this.columns;
    this.rowHeight = Math.round(this.side) + this.options.words + GAP;
    const rows = Math.ceil(this.items.length / this.columns);
    this.host.style.height = `${Math.max(0, rows * this.rowHeight - GAP)}px`;
    this.tiles.forEach((tile, index) => this.put(tile, index));
    this.show();
  }

  put(tile, index) {
    const x = (index % this.columns) * (this.side + GAP);
    const y = Math.floor(index / this.columns) * this.rowHeight;
    tile.style.transform = `translate(${x}px, ${y}px)`;
    tile.style.width = `${this.side}px`;
    tile.style.height = `${this.rowHeight - GAP}px`;
    tile.firstChild.style.height = `${Math.round(this.side)}px`;
  }

  /** The rows in view, as [first, last + 1), widened by `screens` on both sides. */
  rows(screens) {
    const top = -this.host.getBoundingClientRect().top;
    const high = innerHeight;
    const first = Math.floor((top - screens * high) / this.rowHeight);
    const last = Math.ceil((top + high + screens * high) / this.rowHeight);
    return [Math.max(0, first), Math.max(0, last)];
  }

  /** Put in the page what is near the view and take out what is not. */
  show() {
    if (!this.rowHeight) {
      return;
    }
    const [first, last] = this.rows(0.5).map((row) => row * this.columns);
    for (const [index, tile] of this.tiles) {
      if (index < first || index >= last) {
        tile.remove();
        this.tiles.delete(index);
      }
    }
    for (let index = first; index < Math.min(last, this.items.length); index += 1) {
      if (!this.tiles.has(index)) {
        this.tiles.set(index, this.tile(index));
        this.host.append(this.tiles.get(index));
      }
    }
    this.fetchPictures();
    this.markActive();
    this.fetchMore(last);
  }

  tile(index) {
    const item = this.items[index];
    const { options } = this;
    const canvas = make("canvas", { class: "tile-picture", "aria-hidden": "true" });
    const tile = make(
      options.href ? "a" : "div",
      {
        class: "tile",
        id: `${this.prefix}${item.id}`,
        role: "option",
        href: options.href?.(item),
        tabindex: "-1",
        "aria-label": options.name?.(item) ?? String(item.id),
        "aria-posinset": index + 1,
        "aria-setsize": options.total ?? this.items.length,
        "aria-selected": String(this.isSelected(item)),
        "data-index": index,
      },
      canvas,
      make("span", { class: "tile-tick", "aria-hidden": "true", text: "✓" }),
      options.words ? make("span", { class: "tile-words" }, ...(options.draw?.(item) ?? [])) : null,
    );
    this.put(tile, index);
    const bitmap = this.store.have(item.thumbnail);
    if (bitmap) {
      paint(canvas, bitmap);
    }
    return tile;
  }

  redraw(index) {
    const old = this.tiles.get(index);
    if (old) {
      const tile = this.tile(index);
      old.replaceWith(tile);
      this.tiles.set(index, tile);
      this.fetchPictures();
      this.markActive();
    }
  }

  /** Ask for the pictures in view first, then for those around; forget those far away. */
  fetchPictures() {
    const [first, last] = this.rows(AHEAD).map((row) => row * this.columns);
    const [seenFirst, seenLast] = this.rows(0).map((row) => row * this.columns);
    const near = new Set();
    for (let index = first; index < Math.min(last, this.items.length); index += 1) {
      const address = this.items[index].thumbnail;
      near.add(address);
      if (this.store.have(address)) {
        continue;
      }
      const away = Math.max(0, seenFirst - index, index - seenLast + 1);
      const canvas = this.tiles.get(index)?.firstChild ?? null;
      this.store.want(address, away, canvas);
    }
    this.store.keepOnly(near);
  }

  async fetchMore(last) {
    const enough = last + AHEAD * (last - this.rows(0)[0] * this.columns);
    if (this.finished || this.fetching || this.items.length > enough) {
      return;
    }
    this.fetching = true;
    const before = this.items;
    let items = [];
    try {
      items = await this.options.more();
    } catch (error) {
      this.options.onError?.(error);
    }
    this.fetching = false;
    if (this.items === before) {
      this.finished = items.length === 0;
      this.append(items);
    }
  }

  activate(index) {
    this.at = index;
    this.markActive();
    this.options.onActive?.(this.active);
  }

  markActive() {
    this.host.querySelector(".tile-active")?.classList.remove("tile-active");
    const tile = this.tiles.get(this.at);
    if (tile) {
      tile.classList.add("tile-active");
      this.host.setAttribute("aria-activedescendant", tile.id);
    } else {
      this.host.removeAttribute("aria-activedescendant");
    }
  }

  move(index) {
    const to = Math.max(0, Math.min(index, this.items.length - 1));
    const top = this.host.getBoundingClientRect().top + Math.floor(to / this.columns) * this.rowHeight;
    const room = 70; // of the header that may lie above, and a glimpse of the next row
    if (top < room) {
      scrollBy(0, top - room);
    } else if (top + this.rowHeight > innerHeight - GAP) {
      scrollBy(0, top + this.rowHeight - innerHeight + GAP);
    }
    this.show();
    this.activate(to);
  }
}
