// Labels spread through the graph of neighbours: how many of which class, and a page of them.

import { get, post } from "./api.js";
import { byId, make, swatch, thousands } from "./dom.js";
import { Grid } from "./grid.js";
import { plural, text } from "./language.js";
import { follow, showJob } from "./open_sheet.js";

const PAGE = 40; // cells looked at together

export class SpreadView {
  constructor(state, attempt) {
    this.show(state);
    this.grid = new Grid(byId("spread-cells"), {
      label: text("Cells of that class, the surest first"),
      name: (item) => text("Cell {id}, confidence {confidence}", item),
      draw: (item) => [
        make("span", { text: String(item.id) }),
        make("span", { class: "faint", text: item.confidence.toFixed(2) }),
      ],
      select: "many",
      size: 112,
      onSelect: (ids) => { byId("spread-sheet").disabled = !ids.size; },
      onOpen: (item) => location.assign(`/cells/${item.id}`),
    });
    byId("spread").addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(async () => {
        this.show(await post("/explore/spread", { dataset: byId("spread-dataset").value || null }));
        await this.follow();
      });
    });
    byId("spread-sheet").addEventListener("click", () => attempt(() => this.sheet()));
    if (state.job?.state === "working") {
      attempt(() => this.follow());
    }
  }

  follow() {
    return follow(() => get("/explore/spread"), (state) => this.show(state));
  }

  show(state) {
    this.found = state.found;
    showJob(state.job, byId("spread-bar"), byId("spread-stage"));
    byId("spread-table").hidden = !this.found;
    if (!this.found) {
      return;
    }
    const { cells, labelled, left_out, stale, steps, classes } = this.found;
    byId("spread-stage").textContent = [
      text("{cells} cells by {labelled} labelled ones", { cells: thousands(cells), labelled: thousands(labelled) }),
      left_out ? plural("{n} cell left out: a sample was drawn", "{n} cells left out: a sample was drawn", left_out) : "",
      stale ? text("labels have been given since: spread anew") : "",
    ].filter(Boolean).join(" · ");
    byId("spread-columns").replaceChildren(
      make("th", { scope: "col", text: text("Class") }),
      make("th", { scope: "col", text: text("all") }),
      ...steps.map((step) => make("th", { scope: "col", text: `≥ ${step}` })),
    );
    byId("spread-rows").replaceChildren(...classes.map((node) =>
      make("tr", {},
        make("th", { scope: "row" }, swatch(node.code), " ", node.name),
        this.cellOf(node, 0, node.cells),
        ...node.sure.map((count, i) => this.cellOf(node, steps[i], count)))));
  }

  cellOf(node, least, count) {
    const words = text("Look at {n} cells taken for {name} with confidence {least} or more", {
      n: count, name: node.name, least,
    });
    return make("td", {}, count
      ? make("button", { type: "button", class: "link-button", "aria-label": words, text: thousands(count),
          on: { click: () => { location.hash = `spread-${node.code}:${least}`; } } })
      : "0");
  }

  async open(which) {
    [this.code, this.least] = which.split(":");
    const { total, cells } = await get(
      `/explore/spread/${encodeURIComponent(this.code)}?least=${this.least}&count=${PAGE}`);
    const node = this.found?.classes.find((each) => each.code === this.code);
    byId("page-head").textContent = text("Taken for {name}", { name: node?.name ?? this.code });
    byId("page-said").textContent =
      plural("{n} cell, the surest first; untick what is something else.",
        "{n} cells, the surest first; untick what is something else.", total);
    this.grid.set(cells, cells.length);
    this.grid.select(cells.map((cell) => cell.id));
    byId("page-head").focus({ preventScroll: true });
  }

  async sheet() {
    const shown = this.grid.items.map((item) => item.id);
    const without = shown.filter((id) => !this.grid.selected.has(id));
    const kept = await post(`/explore/spread/${encodeURIComponent(this.code)}/sheet`, {
      least: Number(this.least), count: shown.length, without,
    });
    location.assign(kept.sheet);
  }
}
