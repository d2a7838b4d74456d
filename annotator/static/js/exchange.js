// Importing labels: first a preview of what would be added and what is passed over, then the act.

import { post } from "./api.js";
import { byId, make, swatch, thousands } from "./dom.js";
import { plural, text } from "./language.js";

const form = byId("import-form");
const report = byId("import-report");

function table(head, rows) {
  return make(
    "div",
    { class: "table-wrap" },
    make(
      "table",
      {},
      make("thead", {}, make("tr", {}, ...head.map((words) =>
        make("th", { scope: "col", text: words })))),
      make("tbody", {}, ...rows.map((row) =>
        make("tr", {}, ...row.map((value) =>
          make("td", {}, value instanceof Node ? value : String(value)))))),
    ),
  );
}

const named = (node) =>
  make("span", { class: "chip" }, swatch(node.code), make("span", { text: node.name }));

/** The label that the cell of a row has, marked where the row contradicts it. */
function present(row) {
  if (!row.present) {
    return "";
  }
  const chip = named(row.present);
  if (row.contradicts) {
    chip.append(make("strong", { text: text("contradicted") }));
  }
  return chip;
}

function sentence(found) {
  const n = thousands(found.labels);
  const parts = [
    found.written
      ? plural("{many} label added.", "{many} labels added.", found.labels, { many: n })
      : plural("{many} label is new and will be added.",
        "{many} labels are new and will be added.", found.labels, { many: n }),
  ];
  if (found.contradicting) {
    parts.push(found.written
      ? plural("{many} of them contradicts the label that its cell had.",
        "{many} of them contradict the label that their cell had.",
        found.contradicting, { many: thousands(found.contradicting) })
      : plural("{many} of them contradicts the label that its cell has.",
        "{many} of them contradict the label that their cell has.",
        found.contradicting, { many: thousands(found.contradicting) }));
  }
  if (found.same) {
    parts.push(plural("{many} stands already the same and is not added again.",
      "{many} stand already the same and are not added again.",
      found.same, { many: thousands(found.same) }));
  }
  parts.push(
    found.passed_over
      ? text("{some} of {all} rows are passed over.",
        { some: thousands(found.passed_over), all: thousands(found.rows) })
      : text("No row is passed over."),
  );
  return parts.join(" ");
}

function draw(found) {
  const parts = [make("p", {}, make("strong", { text: sentence(found) }))];
  if (!found.written && found.labels) {
    const add = make("button", { type: "button", class: "button", text: text("Add these labels") });
    add.addEventListener("click", () => send(false));
    parts.push(make("p", {}, add));
  }
  if (found.classes.length) {
    parts.push(table([text("Class"), text("Labels")], found.classes.map((row) =>
      [named(row), thousands(row.count)])));
  }
  if (found.reasons.length) {
    parts.push(make("h3", { text: text("Passed over") }));
    parts.push(table([text("Line"), text("Row"), text("Why")], found.reasons.map((row) =>
      [row.line, row.row, row.reason])));
  }
  if (!found.written && found.sample.length) {
    parts.push(make("h3", { text: text("The first labels") }));
    const head = [text("Cell"), text("File"), text("Class"), text("Label now"), text("Author")];
    parts.push(table(head, found.sample.map((row) =>
      [row.cell, row.file, named(row.class), present(row), row.author])));
  }
  report.replaceChildren(...parts);
}

async function send(preview) {
  const body = new FormData(form);
  body.set("preview", preview ? "yes" : "no");
  const words = preview ? text("Reading the labels …") : text("Adding …");
  report.replaceChildren(make("p", { text: words }));
  try {
    draw(await post("/import/labels", body));
  } catch (error) {
    report.replaceChildren(
      make("p", { class: "notice", text: `${error.words ?? error}.` }));
  }
}

// The format chosen is a part of the address.
const out = byId("export-form");
out.addEventListener("submit", (event) => {
  if (!event.submitter?.hasAttribute("formaction")) {
    out.action = `/api/v1/export/${new FormData(out).get("form")}.zip`;
  }
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send(true);
});
byId("file").addEventListener("change", () => report.replaceChildren());
