// One cluster: its cells, what may belong as well, its name, and splitting it.

import { call, get, post } from "./api.js";
import { byId, make } from "./dom.js";
import { Grid } from "./grid.js";
import { plural, text } from "./language.js";

const PAGE = 40; // candidates looked at together

const named = (item) =>
  text("Cell {id}, {class}", { id: item.id, class: item.present?.name ?? text("no label") });

export class ClusterView {
  /** `changed()`: called after each step, for the counts above and the list behind. */
  constructor(classes, attempt, nameOf, changed) {
    this.nameOf = nameOf;
    this.changed = changed;
    byId("one-class").replaceChildren(
      make("option", { value: "", text: text("not said") }),
      ...classes.filter((node) => node.parent).map((node) =>
        make("option", { value: node.code, text: "\u2003".repeat(node.path.length - 1) + node.name +
          (node.direct_key ? ` (${node.direct_key.toUpperCase()})` : "") })),
    );
    const words = (item) => [
      make("span", { text: item.present?.name ?? text("no label") }),
      make("span", { class: "faint",
        text: item.similarity === undefined ? String(item.id) : `${item.id} · ${item.similarity.toFixed(2)}` }),
    ];
    this.members = new Grid(byId("members"), {
      label: text("Cells of the cluster"), name: named, draw: words, select: "many", size: 112,
      onSelect: (ids) => { byId("take-out").disabled = !ids.size; },
      onOpen: (item) => location.assign(`/cells/${item.id}`),
    });
    this.candidates = new Grid(byId("candidates"), {
      label: text("Cells that may belong"), name: named, draw: words, select: "many", size: 112,
      onOpen: (item) => location.assign(`/cells/${item.id}`),
    });
    const on = (id, event, work) =>
      byId(id).addEventListener(event, (given) => {
        given.preventDefault();
        attempt(() => work());
      });
    on("name-form", "submit", () => this.keepName());
    on("split", "click", () => this.split());
    on("take-out", "click", () => this.takeOut());
    on("accept", "click", () => this.accept());
    on("to-sheet", "click", async () => {
      location.assign((await post(`/explore/clusters/${this.id}/sheet`)).sheet);
    });
  }

  async open(id) {
    this.id = id;
    byId("one-said").textContent = "";
    await this.refresh();
    byId("one-head").focus({ preventScroll: true });
  }

  async refresh() {
    const cluster = await get(`/explore/clusters/${this.id}`);
    byId("one-head").textContent =
      `${this.nameOf(cluster)} · ${plural("{n} cell", "{n} cells", cluster.size)}`;
    byId("one-name").value = cluster.name ?? "";
    byId("one-class").value = cluster.class?.code ?? "";
    this.members.set(cluster.cells, cluster.size);
    await this.more();
  }

  async more() {
    const { cells } = await get(`/explore/clusters/${this.id}/candidates?count=${PAGE}`);
    this.from = Object.fromEntries(cells.map((cell) => [cell.id, cell.cluster]));
    this.candidates.set(cells, cells.length);
    this.candidates.select(cells.filter((cell) => cell.within).map((cell) => cell.id));
    byId("accept").disabled = !cells.length;
  }

  said(words) {
    byId("one-said").textContent = words;
  }

  async keepName() {
    await call("PUT", `/explore/clusters/${this.id}`, {
      name: byId("one-name").value.trim() || null,
      class: byId("one-class").value || null,
    });
    await Promise.all([this.refresh(), this.changed()]);
    this.said(text("Kept."));
  }

  async split() {
    const { parts } = await post(`/explore/clusters/${this.id}/split`, {
      parts: Number(byId("parts").value),
    });
    await Promise.all([this.refresh(), this.changed()]);
    this.said(text("Split into clusters of {sizes} cells.", {
      sizes: parts.map((part) => part.size).join(", "),
    }));
  }

  async takeOut() {
    const cells = [...this.members.selected];
    await post(`/explore/clusters/${this.id}/take_out`, { cells });
    await Promise.all([this.refresh(), this.changed()]);
    this.said(plural("{n} cell taken out.", "{n} cells taken out.", cells.length));
  }

  async accept() {
    const accepted = [...this.candidates.selected];
    const refused = this.candidates.items.map((item) => item.id)
      .filter((id) => !this.candidates.selected.has(id));
    await post(`/explore/clusters/${this.id}/grow`, {
      accepted,
      refused,
      from: Object.fromEntries(accepted.map((id) => [id, this.from[id] ?? null])),
    });
    await Promise.all([this.refresh(), this.changed()]);
    this.said(
      plural("{n} cell taken in", "{n} cells taken in", accepted.length) + ", " +
        plural("{n} refused.", "{n} refused.", refused.length));
    this.candidates.focus();
  }
}
