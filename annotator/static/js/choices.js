// The classes as buttons with their keys, and the question which kind of a class a cell is.

import { byId, make, swatch } from "./dom.js";
import { text } from "./language.js";

export class Choices {
  /** `choose(code)` is called with the class picked. `shift`: Shift with a key asks for its kind. */
  constructor(classes, choose, { shift = true } = {}) {
    this.choose = choose;
    this.shift = shift;
    this.byCode = new Map(classes.map((node) => [node.code, node]));
    this.byKey = new Map();
    for (const node of classes) {
      if (node.direct_key && !this.byKey.has(node.direct_key)) {
        this.byKey.set(node.direct_key, node);
      }
    }
    const shown = classes.filter((node) => node.level === "class");
    byId("keys").replaceChildren(...shown.map((node) => this.row(node)));
  }

  row(node) {
    const more = node.children.length > 0;
    const key = make(
      "button",
      {
        type: "button",
        class: `key${more ? " has-more" : ""}`,
        "data-code": node.code,
        "aria-keyshortcuts": node.direct_key,
        title: node.name,
        on: { click: () => this.choose(node.code) },
      },
      swatch(node.code),
      make("span", { text: node.name }),
      node.direct_key ? make("kbd", { text: node.direct_key.toUpperCase() }) : null,
    );
    if (!more) {
      return make("div", { class: "key-row" }, key);
    }
    const words = text("Kinds of {name}", { name: node.name.toLowerCase() });
    const kinds = make("button", {
      type: "button",
      class: "key-more",
      "aria-label": words,
      title: this.shift ? text("{words} (Shift + key)", { words }) : words,
      text: "›",
      on: { click: () => this.ask(node) },
    });
    return make("div", { class: "key-row" }, key, kinds);
  }

  /** Mark the classes that the prediction set holds. */
  mark(plausible) {
    const codes = new Set(plausible.map((node) => node.code));
    for (const key of document.querySelectorAll("#keys .key")) {
      key.classList.toggle("in-set", codes.has(key.dataset.code));
    }
  }

  /** Ask which kind of a class it is; a class without kinds is chosen at once. */
  ask(node) {
    if (!node.children.length) {
      this.choose(node.code);
      return;
    }
    const kinds = node.children.map((code, i) => {
      const kind = this.byCode.get(code);
      return { code, key: kind.key?.toLowerCase() ?? String(i + 1), words: kind.name };
    });
    const options = [
      { code: node.code, key: "enter", words: text("{name}, kind left open", { name: node.name }) },
      ...kinds,
    ];
    const dialog = byId("subclass");
    const pick = (option) => {
      dialog.close();
      this.choose(option.code);
    };
    byId("subclass-title").textContent = text("Which {name}?", { name: node.name.toLowerCase() });
    byId("subclass-list").replaceChildren(
      ...options.map((option) =>
        make(
          "button",
          { type: "button", class: "key", on: { click: () => pick(option) } },
          swatch(option.code),
          make("span", { text: option.words }),
          make("kbd", { text: option.key === "enter" ? "Enter" : option.key.toUpperCase() }),
        ),
      ),
    );
    dialog.onkeydown = (event) => {
      if (event.key === "Enter" || event.ctrlKey || event.metaKey || event.altKey) {
        return; // Enter presses the button that has the focus, at first the topmost
      }
      const option = options.find((each) => each.key === event.key.toLowerCase());
      if (option) {
        event.preventDefault();
        event.stopPropagation();
        pick(option);
      }
    };
    dialog.showModal();
  }
}
