// The cells of a filter in one endless grid; a page of them at a time is asked of the server.

import { get } from "./api.js";
import { byId, make, swatch } from "./dom.js";
import { Grid } from "./grid.js";
import { text } from "./language.js";

const { found, query } = JSON.parse(byId("start").textContent);
let next = found.next;

async function more() {
  if (next === null) {
    return [];
  }
  const asked = new URLSearchParams({ ...query, before: next, size: found.page_size });
  const page = await get(`/cells?${asked}`);
  next = page.next;
  return page.cells;
}

function words(cell) {
  const kind = cell.present
    ? make("span", { class: "chip" }, swatch(cell.present.code), cell.present.name)
    : make("span", { class: "chip chip-none", text: text("no label") });
  const flag = cell.flagged ? "⚑ " : "";
  return [kind, make("span", { class: "faint", text: `${flag}${cell.id} · ${cell.dataset}` })];
}

function name(cell) {
  const parts = [text("Cell {id}", { id: cell.id }), cell.present?.name ?? text("no label")];
  if (cell.flagged) {
    parts.push(text("flagged"));
  }
  return [...parts, cell.dataset].join(", ");
}

const alike = (cell) => `/search?more=${cell.id}`;

/** The one link to cells like a cell: it stands on the tile that is pointed at or active, outside
 * of the list, in which there may be no link within a link. */
function offerAlike(grid, cell) {
  const tile = cell && grid.tiles.get(grid.places.get(cell.id));
  const link = byId("more-like");
  link.hidden = !tile;
  if (tile) {
    const [of, at] = [link.parentElement, tile].map((each) => each.getBoundingClientRect());
    link.style.transform = `translate(${at.left - of.left + 6}px, ${at.top - of.top + 6}px)`;
    link.href = alike(cell);
    link.title = text("More like cell {id} (M)", { id: cell.id });
    byId("more-like-words").textContent = text("More like cell {id}", { id: cell.id });
  }
}

if (byId("cells")) {
  const grid = new Grid(byId("cells"), {
    label: text("Cells"),
    total: found.exact ? found.total : null,
    name,
    draw: words,
    words: 50,
    click: "open",
    href: (cell) => `/cells/${cell.id}`,
    onOpen: (cell, event) => {
      if (event.type === "keydown") {
        location.assign(`/cells/${cell.id}`); // a click follows the link by itself
      }
    },
    more,
    onActive: (cell) => offerAlike(grid, cell),
    onKey: (event, cell) => {
      const asked = event.key.toLowerCase() === "m" && !event.ctrlKey && !event.metaKey && cell;
      if (asked) {
        const link = byId("more-like"); // names the key, so the key goes where it stands
        location.assign(link.hidden ? alike(cell) : link.href);
      }
      return Boolean(asked);
    },
    onError: (error) => {
      byId("problem").hidden = false;
      byId("problem").textContent = `${error.words ?? error}.`;
    },
  });
  grid.set(found.cells, found.exact ? found.total : null);
  // Moves, not "over": cells that scroll under a still pointer do not take the link from the
  // cell that was come to by keys.
  byId("cells").addEventListener("pointermove", (event) => {
    const tile = event.target.closest(".tile");
    if (tile && event.pointerType !== "touch") {
      offerAlike(grid, grid.items[Number(tile.dataset.index)]);
    }
  });
  addEventListener("resize", () => offerAlike(grid, null));
}
