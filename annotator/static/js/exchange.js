// Importing labels: first a preview of what would be added and what is passed over, then the act.

import { post } from "./api.js";
import { byId, make, swatch, thousands } from "./dom.js";

const form = byId("import-form");
const report = byId("import-report");

function table(head, rows) {
  return make(
    "div",
    { class: "table-wrap" },
    make(
      "table",
      {},
      make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col", text })))),
      make("tbody", {}, ...rows.map((row) =>
        make("tr", {}, ...row.map((value) =>
          make("td", {}, value instanceof Node ? value : String(value)))))),
    ),
  );
}

const named = (node) =>
  make("span", { class: "chip" }, swatch(node.code), make("span", { text: node.name }));

function sentence(found) {
  const many = `${thousands(found.labels)} ${found.labels === 1 ? "label" : "labels"}`;
  const parts = [found.written ? `${many} added.` : `${many} will be added.`];
  if (found.same) {
    parts.push(`${thousands(found.same)} rows say what is known already.`);
  }
  parts.push(
    found.passed_over
      ? `${thousands(found.passed_over)} of ${thousands(found.rows)} rows are passed over.`
      : "No row is passed over.",
  );
  return parts.join(" ");
}

function draw(found) {
  const parts = [make("p", {}, make("strong", { text: sentence(found) }))];
  if (!found.written && found.labels) {
    const add = make("button", { type: "button", class: "button", text: "Add these labels" });
    add.addEventListener("click", () => send(false));
    parts.push(make("p", {}, add));
  }
  if (found.classes.length) {
    parts.push(table(["Class", "Labels"], found.classes.map((row) =>
      [named(row), thousands(row.count)])));
  }
  if (found.reasons.length) {
    parts.push(make("h3", { text: "Passed over" }));
    parts.push(table(["Line", "Row", "Why"], found.reasons.map((row) =>
      [row.line, row.row, row.reason])));
  }
  if (!found.written && found.sample.length) {
    parts.push(make("h3", { text: "The first labels" }));
    parts.push(table(["Cell", "File", "Class", "Author"], found.sample.map((row) =>
      [row.cell, row.file, named(row.class), row.author])));
  }
  report.replaceChildren(...parts);
}

async function send(preview) {
  const body = new FormData(form);
  body.set("preview", preview ? "yes" : "no");
  report.replaceChildren(make("p", { text: preview ? "Reading the table …" : "Adding …" }));
  try {
    draw(await post("/import/labels", body));
  } catch (error) {
    report.replaceChildren(
      make("p", { class: "notice", text: `${error.words ?? error}.` }));
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send(true);
});
byId("file").addEventListener("change", () => report.replaceChildren());
