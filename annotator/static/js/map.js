// The map page: many cells at a glance, a lasso that opens as a sheet. Nothing is labelled here.

import { get, post } from "./api.js";
import { byId, drawn, make, thousands } from "./dom.js";
import { plural, text } from "./language.js";
import { Hand } from "./map_hand.js";
import { Legend, shapeMark } from "./map_legend.js";
import { Points } from "./map_points.js";
import { Table } from "./map_table.js";
import { MapView } from "./map_view.js";
import { follow, openSheet, showJob } from "./open_sheet.js";

const HIDDEN = 0;
const SHOWN = 1;
const CHOSEN = 2;
const NEAR = 12; // pixels from the pointer within which a cell is meant
const PAUSE = 120; // milliseconds the pointer rests before a picture is fetched
const TOLD = 4; // classes of a selection that are named

const { state } = JSON.parse(byId("start").textContent);
const chosen = new Set(); // rows, in the order they were chosen
let points;
let states;
let legend;
let view;
let table;
let pointed = -1;
let waiting;

function complain(error) {
  byId("problem").textContent = error.words ?? String(error);
  byId("problem").hidden = false;
}

// Making the map ----------------------------------------------------------------------------------

function showState(now) {
  const working = now.job?.state === "working";
  const asks = working || !now.ready || now.newer > 0 || now.job?.state === "failed";
  byId("make").hidden = !asks;
  byId("make-words").textContent = !now.ready
    ? plural("{n} embedded cell can be laid out. It takes a minute for some thousands; you can work on meanwhile.",
        "{n} embedded cells can be laid out. It takes a minute for some thousands; you can work on meanwhile.",
        now.embedded)
    : now.newer
      ? plural("{n} cell has been embedded since the map was made.",
          "{n} cells have been embedded since the map was made.", now.newer)
      : "";
  byId("make-button").textContent = now.ready ? text("Place them on the map") : text("Make the map");
  byId("make-button").disabled = working || !now.embedded;
  byId("make-anew").hidden = !now.ready;
  byId("make-anew").disabled = working;
  showJob(now.job, byId("make-bar"), byId("make-stage"));
  byId("map-note").textContent = now.ready
    ? plural("{n} cell", "{n} cells", now.cells) +
      (now.placed ? `, ${text("{placed} placed later", { placed: thousands(now.placed) })}` : "")
    : "";
}

async function made(anew) {
  try {
    showState(await post("/explore/map", { anew }));
    const after = await follow(() => get("/explore/map"), showState);
    if (after.ready && after.job?.state === "done") {
      location.reload();
    }
  } catch (error) {
    complain(error);
  }
}

// Choosing ------------------------------------------------------------------------------------------

const choosable = (row) =>
  legend.shown(row) &&
  (!byId("unlabelled").checked || legend.groups.class[points.of.class[row]].code === null);

function restate() {
  for (let row = 0; row < points.count; row += 1) {
    states[row] = legend.shown(row) ? SHOWN : HIDDEN;
  }
  chosen.forEach((row) => {
    states[row] = legend.shown(row) ? CHOSEN : HIDDEN;
  });
}

function refresh() {
  restate();
  view?.update(["states"]);
  table.mark();
  const tally = new Map();
  chosen.forEach((row) => {
    const group = points.of.class[row];
    tally.set(group, (tally.get(group) ?? 0) + 1);
  });
  byId("selection-count").textContent = chosen.size
    ? plural("{n} cell selected", "{n} cells selected", chosen.size)
    : text("No cell selected");
  const groups = [...tally].sort((a, b) => b[1] - a[1]);
  byId("selection-tally").replaceChildren(
    ...groups.slice(0, TOLD).map(([group, count]) => {
      const { shape, colour } = legend.groups.class[group];
      return make("li", {}, shapeMark(shape, colour),
        make("span", { text: legend.nameOf("class", group) }), make("span", { text: thousands(count) }));
    }),
    groups.length > TOLD ? make("li", { text: text("and {n} more", { n: groups.length - TOLD }) }) : "",
  );
  byId("open-sheet").disabled = byId("clear").disabled = !chosen.size;
}

function choose(rows, adds = true) {
  rows.forEach((row) => (adds ? chosen.add(row) : chosen.delete(row)));
  refresh();
  if (byId("table-which").value === "selected") {
    table.refresh();
  }
}

function none() {
  chosen.clear();
  refresh();
  table.refresh();
}

async function toSheet() {
  try {
    const cells = [...chosen].map((row) => points.ids[row]);
    await openSheet(cells, { origin: "map", title: text("Lasso on the map") });
  } catch (error) {
    complain(error);
  }
}

// Looking -------------------------------------------------------------------------------------------

function point(place) {
  const row = points.nearest(...place, NEAR / view.unit, (each) => legend.shown(each));
  if (row === pointed) {
    return;
  }
  pointed = row;
  clearTimeout(waiting);
  if (row >= 0) {
    waiting = setTimeout(() => show(row), PAUSE);
  }
}

async function show(row) {
  const id = points.ids[row];
  try {
    const { cells: [cell] } = await get(`/explore/cells?ids=${id}`);
    if (row !== pointed) {
      return;
    }
    byId("cell-picture").src = cell.thumbnail;
    byId("cell-picture").hidden = false;
    byId("cell-link").hidden = false;
    byId("cell-link").href = `/cells/${id}`;
    byId("cell-link").textContent = text("Cell {id}", { id });
    const novelty = points.noveltyOf(row);
    byId("cell-facts").textContent = [
      legend.nameOf("class", points.of.class[row]),
      cell.dataset,
      cell.patient,
      cell.slide,
      novelty === null ? null : text("novelty {value}", { value: novelty.toFixed(2) }),
    ].filter(Boolean).join(" · ");
  } catch (error) {
    complain(error);
  }
}

/** What is in the circle that the keys move, in words. */
function walk(place, radius) {
  point(place);
  clearTimeout(walk.later);
  walk.later = setTimeout(() => {
    const rows = [...points.within(...place, radius, choosable)];
    byId("selection-count").textContent =
      plural("{n} cell in the circle", "{n} cells in the circle", rows.length) +
      (chosen.size ? `, ${plural("{n} cell selected", "{n} cells selected", chosen.size)}` : "");
  }, 250);
}

// Beginning -----------------------------------------------------------------------------------------

function cells(which) {
  if (which === "selected") {
    return [...chosen];
  }
  const rows = [];
  for (let row = 0; row < points.count; row += 1) {
    if (legend.shown(row)) {
      rows.push(row);
    }
  }
  return rows;
}

function ink(view) {
  const [r, g, b] = getComputedStyle(document.body).color.match(/[\d.]+/g).map(Number);
  view.rim = [r / 255, g / 255, b / 255, 1];
  view.lift = r + g + b > 384 ? 0.28 : 0;
}

function hold() {
  let hand;
  try {
    view = new MapView(byId("canvas"), () => hand?.drawCursor());
  } catch {
    byId("plot").replaceChildren(make("p", { class: "notice",
      text: text("This browser has no WebGL 2, so the map cannot be drawn. The table below holds the same cells.") }));
    return;
  }
  ink(view);
  new MutationObserver(() => {
    ink(view);
    view.draw();
  }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  hand = new Hand(view, {
    lasso: (line, keep, takes) => {
      if (!keep && !takes) {
        chosen.clear();
      }
      choose(points.inside(line, takes ? (row) => chosen.has(row) : choosable), !takes);
    },
    circle: (place, radius, adds) =>
      choose([...points.within(...place, radius, choosable)].map(([row]) => row), adds),
    point,
    walk,
    none,
  });
  view.set(points.places, legend.colours, legend.shapes, states);
}

async function begin() {
  const [block, groups] = await Promise.all([
    fetch("/api/v1/explore/map/points", { credentials: "same-origin" }).then((answer) => answer.arrayBuffer()),
    get("/explore/map/groups"),
  ]);
  points = new Points(block);
  states = new Uint8Array(points.count).fill(SHOWN);
  legend = new Legend(points, groups, (names) => {
    if (names.includes("states")) {
      restate();
      table.refresh();
    }
    view?.update(names);
  });
  byId("map-area").hidden = false;
  table = new Table(points, legend, chosen, {
    cells,
    toggle: (row) => choose([row], !chosen.has(row)),
  });
  hold();
  refresh();
  byId("open-sheet").addEventListener("click", toSheet);
  byId("clear").addEventListener("click", none);
  document.body.dataset.ready = "map";
}

byId("make-button").addEventListener("click", () => made(false));
byId("make-anew").addEventListener("click", () => made(true));
showState(state);
if (state.job?.state === "working") {
  follow(() => get("/explore/map"), showState).then((after) => after.ready && location.reload(), complain);
}
if (state.ready) {
  begin().catch(complain).finally(drawn);
} else {
  drawn();
}
