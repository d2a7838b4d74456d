// The page of the sheets. First cells alone, without a proposal; then a sheet of alike ones. Every
// answer is sent at once and the page goes on when the server says that it is on disk.

import { get, post } from "./api.js";
import { Choices } from "./choices.js";
import { byId, drawn, thousands } from "./dom.js";
import { plural, text } from "./language.js";
import { Search } from "./search.js";
import { showReferences } from "./sheet_closer.js";
import { SheetGrid } from "./sheet_grid.js";
import { showPromise } from "./sheet_promise.js";
import { askRename } from "./sheet_rename.js";
import { Singles } from "./sheet_single.js";
import { sheetWords } from "./sheet_words.js";

const start = JSON.parse(byId("start").textContent);
const choices = new Choices(start.classes, (code) => choose(code), { shift: false });
const search = new Search(start.classes, (code) => choose(code));
const singles = new Singles();
const grid = new SheetGrid(byId("grid"), choices.byCode, () => showAccept());

const LOOK_AGAIN = 4000; // milliseconds between questions whether proposals have moved
const PARTS = ["single", "grid", "accept", "unfold", "drop", "folded-words", "choose-class", "skip",
  "flag", "again", "rename", "larger", "references"];

let missing = 0; // how many more are to be named before the first sheet
let ahead = 0; // sheets that follow the single cells
let of = null; // the selection that the first of them is made of, in words
let sheet = null; // the sheet that is shown, or null
let busy = false;
let shownAt = 0;
let state = ""; // of the proposals, as the server names it
let selection = start.selection; // cells selected elsewhere that are still to become sheets

// Saying things ---------------------------------------------------------------------------------

function say(words, kind = "") {
  byId("status").className = `status-words ${kind}`;
  byId("status").textContent = words;
  byId("live").textContent = words;
}

/** Do one thing at a time; what goes wrong is said. */
async function act(work) {
  if (busy) {
    return;
  }
  busy = true;
  try {
    await work();
  } catch (error) {
    say(error.words ?? String(error), "bad");
    drawn();
  } finally {
    busy = false;
  }
}

const seconds = () => Math.round(performance.now() - shownAt) / 1000;

// What comes next -------------------------------------------------------------------------------

/** `again` is a cell of which the answer was taken back: it is asked first. */
async function goOn(again = null) {
  if (selection) {
    await openSelection(null);
    return;
  }
  show(await get("/sheets/round"), again);
}

async function openSelection(code) {
  try {
    await post("/sheets/selection", { selection, class: code });
  } catch (error) {
    if (error.type !== "no_class") {
      selection = null;
      history.replaceState(null, "", "/sheets");
      show(await get("/sheets/round"));
      throw error;
    }
    stage(["choose-class"], text("Which class?"), error.words);
    return;
  }
  selection = null;
  history.replaceState(null, "", "/sheets");
  show(await get("/sheets/round"));
}

function show(round, again = null) {
  byId("left").textContent = text("{n} cells wait for a label", { n: thousands(round.left) });
  showPromise(byId("promise"), byId("slowed"), round.promise);
  singles.take(round.singles, again);
  missing = round.missing;
  ahead = round.sheets.length;
  of = round.sheets[0]?.selection?.words ?? null;
  sheet = null;
  if (singles.leftOver) {
    stage(["again"], text("Nothing else is left"), plural(
      "{n} cell that you skipped has no label. It may stay so.",
      "{n} cells that you skipped have no label. They may stay so.", singles.cells.length));
  } else if (singles.cell) {
    showSingle();
  } else if (round.sheets.length) {
    showSheet(round.sheets[0], round.sheets.length);
  } else {
    stage([], text("Nothing left for sheets"), round.left
      ? text("The cells that are left have no embedding yet: name them on the page Label.")
      : text("All cells have a label. Undo (U) still works."));
  }
}

/** Show these parts of the stage and hide the others, with a title that is read out. */
function stage(parts, title, words) {
  for (const id of PARTS) {
    byId(id).hidden = !parts.includes(id);
  }
  byId("stage-title").textContent = title;
  byId("stage-words").textContent = words;
  byId("live").textContent = `${title}${/[.?!…]$/.test(title) ? "" : "."} ${words}`;
  shownAt = performance.now();
  drawn();
}

function showSingle() {
  singles.show();
  const follows = of ? ` ${text("Then: {selection}.", { selection: of })}` : "";
  const words = missing
    ? plural("{n} typical cell to name before the first sheet.",
        "{n} typical cells to name before the first sheet.", missing)
    : ahead
      ? plural("{n} cell alone, then the sheet.", "{n} cells alone, then the sheets.",
          singles.cells.length)
      : singles.cell.skipped
        ? text("You skipped this one before. Name it if you can, or leave it.")
        : text("Nothing sure can be said of these: name them one by one.");
  stage(["single", "skip", "flag"], text("What is this cell?"), words + follows);
  byId("keys-words").textContent = text("A key names the cell that is shown.");
}

function showSheet(next, many) {
  sheet = next;
  state = "";
  grid.show(sheet);
  const parts = ["grid", "accept", "rename", "drop", "larger"];
  if (showReferences(sheet)) {
    parts.push("references");
  }
  if (sheet.folded) {
    parts.push("unfold", "folded-words");
    byId("folded-words").textContent = plural(
      "{n} more cell just like these is folded away and will be labelled with them.",
      "{n} more cells just like these are folded away and will be labelled with them.",
      sheet.folded);
    byId("unfold-words").textContent = plural("Show {n} more", "Show {n} more", sheet.folded);
  }
  const title = text("{name}: all of these?", { name: sheet.class.name });
  stage(parts, sheet.selection ? `${sheet.selection.words}. ${title}` : title,
    sheetWords(sheet, many));
  byId("keys-words").textContent =
    text("A key gives the cell you are on another class, Shift and a key all that is ticked.");
  showAccept();
  grid.focus();
}

function showAccept() {
  if (sheet) {
    const count = grid.ticked + (grid.unfolded ? 0 : sheet.folded);
    byId("accept-words").textContent = text("Accept {n} as {name}", {
      n: thousands(count), name: sheet.class.name.toLowerCase(),
    });
  }
}

// Doing things ----------------------------------------------------------------------------------

/** A class was chosen: for the single cell, for the cell of the sheet, or for a selection. */
function choose(code) {
  if (!byId("choose-class").hidden) {
    act(() => openSelection(code));
  } else if (sheet) {
    grid.correct(code);
  } else if (!byId("single").hidden) {
    nameSingle(code);
  }
}

const nameSingle = (code) =>
  act(async () => {
    const answer = await singles.name(code, seconds());
    const name = choices.byCode.get(code).name.toLowerCase();
    say(answer.split
      ? text("Saved: {name}. A check failed, so its sheet is split.", { name })
      : text("Saved: {name}.", { name }), "good");
    missing = Math.max(0, missing - 1);
    await after(answer.split);
  });

/** After one single cell the next, or what comes once all are through. */
async function after(anew = false) {
  if (singles.cell && !anew) {
    showSingle();
  } else {
    await goOn();
  }
}

const skip = () =>
  act(async () => {
    const id = await singles.skip();
    say(text("Skipped cell {id}: it comes back after all others.", { id }));
    await after();
  });

const flag = () =>
  act(async () => {
    const cell = await singles.flag();
    say(cell.flagged
      ? text("Cell {id} is flagged.", { id: cell.id })
      : text("Cell {id} is no longer flagged.", { id: cell.id }), "good");
  });

/** Show once more the cells that were skipped and are all there is. */
const again = () => {
  singles.passed.clear();
  showSingle();
};

const accept = () =>
  act(async () => {
    const sent = {
      out: grid.out, moved: grid.moved, unfolded: grid.unfolded, seconds: seconds(),
    };
    const done = await post(`/sheets/${sheet.id}/accept`, sent);
    const words = [plural("{n} label saved.", "{n} labels saved.", done.labels)];
    if (done.left.length) {
      words.push(plural("{n} cell had a label by now and keeps it.",
        "{n} cells had a label by now and keep it.", done.left.length));
    }
    if (done.noticed.length) {
      words.push(text("You noticed the cell that was planted."));
    }
    if (done.missed.length) {
      words.push(text("A planted cell of another class went unnoticed: look closer."));
    }
    say(words.join(" "), done.missed.length ? "bad" : "good");
    await goOn();
  });

function undone({ done, split_stays: stays }) {
  if (done.kind === "sheet") {
    return text("The sheet is taken back and stands here as you left it.");
  }
  if (done.kind === "drop") {
    return text("The sheet that was put away is open again.");
  }
  return stays
    ? text("The label is taken back; the sheet stays split, because a part of it was worked on.")
    : text("Undone.");
}

/** All that is ticked is of class `code`: a sheet of that takes the place of this one. */
const rename = (code) =>
  act(async () => {
    const sent = { class: code, out: grid.out, unfolded: grid.unfolded };
    await post(`/sheets/${sheet.id}/rename`, sent);
    const name = choices.byCode.get(code).name.toLowerCase();
    say(text("Proposed as {name} now. A few of them come alone first, as a check.", { name }));
    await goOn();
  });

const redo = () =>
  act(async () => {
    const { done } = await post("/redo");
    say({
      sheet: text("The sheet is accepted again."),
      drop: text("Put away; nothing was labelled."),
    }[done.kind] ?? text("Done again: cell {id}.", { id: done.cell }), "good");
    await goOn();
  });

const undo = () =>
  act(async () => {
    const answer = await post("/undo");
    say(undone(answer), answer.split_stays ? "bad" : "good");
    const { kind } = answer.done;
    const whole = ["sheet", "drop"].includes(kind);
    await goOn(["label", "skip"].includes(kind) ? answer.cell : whole ? null : singles.cell);
  });

const drop = () =>
  act(async () => {
    await post(`/sheets/${sheet.id}/drop`);
    say(text("Put away; nothing was labelled."));
    await goOn();
  });

const unfold = () =>
  act(async () => {
    const { cells } = await get(`/sheets/${sheet.id}/folded`);
    grid.unfold(cells);
    byId("unfold").hidden = true;
    byId("folded-words").textContent = text("All cells of the sheet are shown.");
    showAccept();
  });

/** Ask whether labels given meanwhile have moved proposals of the sheet in view. */
async function lookAgain() {
  if (!sheet || busy || document.hidden) {
    return;
  }
  const of = sheet.id;
  try {
    const answer = await get(`/sheets/${of}/moved?state=${encodeURIComponent(state)}`);
    if (sheet?.id !== of) {
      return;
    }
    state = answer.state;
    const moved = answer.cells ? grid.move(answer.cells) : 0;
    if (moved) {
      say(plural("{n} cell is proposed as another class now and was unticked.",
        "{n} cells are proposed as another class now and were unticked.", moved));
      showAccept();
    }
  } catch {
    // The next question will tell; what the reader does is answered in any case.
  }
}

const help = () => {
  const dialog = byId("help");
  if (dialog.open) {
    dialog.close();
  } else {
    dialog.showModal();
  }
};

// Keys ------------------------------------------------------------------------------------------

const COMMANDS = {
  Enter: () => sheet && accept(),
  "+": () => sheet && grid.enlarge(),
  ".": () => sheet?.folded && !grid.unfolded && unfold(),
  s: () => (sheet ? drop() : !byId("skip").hidden && skip()),
  f: () => !byId("flag").hidden && flag(),
  "/": () => search.open(),
  u: undo,
  "?": help,
};

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea")) {
    return;
  }
  const letter = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && !event.altKey && "zy".includes(letter)) {
    event.preventDefault();
    (letter === "y" || event.shiftKey ? redo : undo)();
    return;
  }
  const dialog = document.querySelector("dialog[open]");
  const pressed = event.key === "Enter" && event.target.closest("button, a, summary");
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat
      || pressed || (dialog && !(event.key === "?" && dialog.id === "help"))) {
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const node = choices.byKey.get(key);
  if (COMMANDS[key]) {
    event.preventDefault();
    COMMANDS[key]();
  } else if (node) {
    event.preventDefault();
    if (event.shiftKey && sheet) {
      rename(node.code);
    } else if (event.shiftKey) {
      choices.ask(node);
    } else {
      choose(node.code);
    }
  }
});

for (const [id, action] of Object.entries({
  accept, undo, drop, unfold, skip, flag, again, "help-open": help,
  larger: () => grid.enlarge(),
  rename: () => askRename(start.classes, sheet.class.code, grid.ticked, rename),
})) {
  byId(id).addEventListener("click", (event) => {
    if (event.detail) {
      event.currentTarget.blur(); // after the mouse, the keys belong to the sheet again
    }
    action();
  });
}

setInterval(lookAgain, LOOK_AGAIN);
act(goOn);
