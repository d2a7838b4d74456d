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
    onError: (error) => {
      byId("problem").hidden = false;
      byId("problem").textContent = `${error.words ?? error}.`;
    },
  });
  grid.set(found.cells, found.exact ? found.total : null);
}
