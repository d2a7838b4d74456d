// What the labelling page says when no cell is left for this reader, and why.

import { byId, thousands } from "./dom.js";
import { plural, text } from "./language.js";

const MINUTE = 60;

/** `next` is a next of the API without a cell. */
export function showEmpty({ progress, elsewhere }) {
  const left = progress.left > 0;
  byId("empty-title").textContent = left
    ? text("Nothing for you just now")
    : text("Nothing left to label");
  byId("empty-words").textContent = why(progress, elsewhere);
  byId("ask-again").hidden = !left;
}

function why({ total, left, dataset }, elsewhere) {
  if (!total) {
    return text("There are no cells here yet.");
  }
  if (elsewhere) {
    const minutes = Math.max(1, Math.ceil(elsewhere.seconds / MINUTE));
    const held = plural(
      "{n} more cell is on another reader's screen.",
      "{n} more cells are on other readers' screens.",
      elsewhere.cells,
    );
    const back = plural(
      "What stays unanswered there comes back after {n} minute.",
      "What stays unanswered there comes back after {n} minutes.",
      minutes,
    );
    return `${held} ${back}`;
  }
  if (left > 0) {
    return plural(
      "{n} cell has no label that stands, but it does not wait for you: readers disagree on it, or it is for others to read.",
      "{n} cells have no label that stands, but they do not wait for you: readers disagree on them, or they are for others to read.",
      left,
    );
  }
  return dataset
    ? text("All {total} cells of {dataset} have a label. Undo (U) still works.", {
      total: thousands(total), dataset,
    })
    : text("All {total} cells have a label. Undo (U) still works.", { total: thousands(total) });
}
