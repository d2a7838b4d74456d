// On what a proposal rests, and how the adaptation to its data set comes on: one line that is asked
// for again and again, quickly while work is under way. It has its room from the start, so that
// nothing moves when its words change.

import { get } from "./api.js";
import { moment } from "./dom.js";

const SLOW = 6000; // milliseconds between questions while nothing is under way
const QUICK = 900;
const SOON = 250; // after a label

/** The words on what something rests, with the time if it has one. */
export const restingWords = (rests) =>
  rests.made ? `${rests.words} (${moment(rests.made)})` : rests.words;

export class AdaptingLine {
  constructor(into) {
    this.into = into;
    this.dataset = null;
    this.rests = null;
    this.told = null;
    this.later = null;
    document.addEventListener("visibilitychange", () => this.again(SOON));
  }

  /** A cell of `dataset` is in view; `rests` is of its proposal, null without one. */
  show(dataset, rests) {
    if (dataset !== this.dataset) {
      this.told = null;
    }
    this.dataset = dataset;
    this.rests = rests;
    this.draw();
    this.again(SOON);
  }

  again(wait) {
    clearTimeout(this.later);
    if (!document.hidden && this.dataset) {
      this.later = setTimeout(() => this.ask(), wait);
    }
  }

  async ask() {
    const asked = this.dataset;
    try {
      const told = await get(`/adapting?dataset=${encodeURIComponent(asked)}`);
      if (asked === this.dataset) {
        this.told = told;
        this.draw();
      }
    } catch {
      // what goes wrong with the server is said where something was asked of it
    }
    const busy = ["waiting", "working"].includes(this.told?.state);
    this.again(busy ? QUICK : SLOW);
  }

  draw() {
    const words = this.told?.words || (this.rests ? restingWords(this.rests) : "");
    if (this.into.textContent !== words) {
      this.into.textContent = words;
    }
    this.into.title = [words, this.told?.next].filter(Boolean).join("\n");
    this.into.dataset.state = this.told?.state ?? "idle";
  }
}
