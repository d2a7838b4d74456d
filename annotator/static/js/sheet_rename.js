// The question of which class all the ticked cells of a sheet are, for mouse and screen reader.
// With the keyboard it is Shift and the key of the class, without a question.

import { byId, make, swatch } from "./dom.js";
import { plural } from "./language.js";

/** Ask for the class of `count` ticked cells, any but `own`; `rename(code)` gets the answer. */
export function askRename(classes, own, count, rename) {
  const dialog = byId("rename-dialog");
  byId("rename-title").textContent = plural(
    "Which class is the {n} ticked cell?", "Which class are the {n} ticked cells?", count);
  const shown = classes.filter(
    (node) => ["class", "subclass"].includes(node.level) && node.code !== own);
  const pick = (node) => {
    dialog.close();
    rename(node.code);
  };
  byId("rename-list").replaceChildren(...shown.map((node) =>
    make("button", { type: "button", class: "key", on: { click: () => pick(node) } },
      swatch(node.code),
      make("span", { text: node.name }),
      node.direct_key ? make("kbd", { text: node.direct_key.toUpperCase() }) : null)));
  dialog.onkeydown = (event) => {
    const node = shown.find((each) => each.direct_key === event.key.toLowerCase());
    if (node && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      event.stopPropagation();
      pick(node);
    }
  };
  dialog.showModal();
}
