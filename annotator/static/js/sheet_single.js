// The cells that stand alone before a sheet: which is shown, its flag, and those left for later.

import { post } from "./api.js";
import { byId } from "./dom.js";

export class Singles {
  constructor() {
    this.cells = []; // still to be named, the first is shown
    this.passed = new Set(); // skipped on this page since it was opened
  }

  /** The single cells of a round. `again` is one of which the answer was taken back: it is first. */
  take(cells, again) {
    let first = null;
    if (again) {
      this.passed.delete(again.id);
      first = cells.find((cell) => cell.id === again.id) ?? { ...again, skipped: false };
    }
    const others = cells.filter((cell) => cell.id !== again?.id);
    this.cells = first ? [first, ...others] : others;
  }

  get cell() {
    return this.cells[0] ?? null;
  }

  /** Whether nothing is left but cells that were skipped just now. */
  get leftOver() {
    return this.cells.length > 0 && this.cells.every((cell) => this.passed.has(cell.id));
  }

  show() {
    const [cell, next] = this.cells;
    byId("single-picture").src = cell.picture;
    this.showFlag();
    if (next) {
      new Image().src = next.picture;
    }
  }

  showFlag() {
    byId("flag").setAttribute("aria-pressed", String(this.cell.flagged));
    byId("flag-mark").hidden = !this.cell.flagged;
  }

  /** Name the cell shown and go on to the next; what the server answers. */
  async name(code, seconds) {
    const answer = await post(`/sheets/singles/${this.cell.id}`, { class: code, seconds });
    this.passed.delete(this.cell.id);
    this.cells.shift();
    return answer;
  }

  /** Leave the cell shown for later; its number. */
  async skip() {
    const { id } = this.cell;
    await post(`/sheets/singles/${id}/skip`);
    this.passed.add(id);
    this.cells.shift();
    return id;
  }

  /** Flag the cell shown, or take the flag away. */
  async flag() {
    const { cell } = this;
    const { flagged } = await post(`/cells/${cell.id}/flag`, { flagged: !cell.flagged });
    cell.flagged = flagged;
    this.showFlag();
    return cell;
  }
}
