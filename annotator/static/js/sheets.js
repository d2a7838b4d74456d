// The page of the sheets. First cells alone, without a proposal; then a sheet of alike ones. Every
// answer is sent at once and the page goes on when the server says that it is on disk.

import { get, post } from "./api.js";
import { Choices } from "./choices.js";
import { byId, drawn, thousands } from "./dom.js";
import { plural, text } from "./language.js";
import { SheetGrid } from "./sheet_grid.js";
import { showPromise } from "./sheet_promise.js";

const start = JSON.parse(byId("start").textContent);
const choices = new Choices(start.classes, (code) => choose(code));
const grid = new SheetGrid(byId("grid"), choices.byCode, () => showAccept());

const LOOK_AGAIN = 4000; // milliseconds between questions whether proposals have moved
const PARTS = ["single", "grid", "accept", "unfold", "drop", "folded-words", "choose-class"];

let singles = []; // cells still to be named alone, the first is shown
let missing = 0; // how many more are to be named before the first sheet
let ahead = 0; // sheets that follow the single cells
let sheet = null; // the sheet that is shown, or null
let busy = false;
let shownAt = 0;
let state = ""; // of the proposals, as the server names it
let selection = start.selection; // cells selected elsewhere that are still to become a sheet

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

async function goOn() {
  if (selection) {
    await openSelection(null);
    return;
  }
  show(await get("/sheets/round"));
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

function show(round) {
  byId("left").textContent = text("{n} cells wait for a label", { n: thousands(round.left) });
  showPromise(byId("promise"), byId("slowed"), round.promise);
  singles = round.singles;
  missing = round.missing;
  ahead = round.sheets.length;
  sheet = null;
  if (singles.length) {
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
  const [cell, next] = singles;
  byId("single-picture").src = cell.picture;
  if (next) {
    new Image().src = next.picture;
  }
  const words = missing
    ? plural("{n} typical cell to name before the first sheet.",
        "{n} typical cells to name before the first sheet.", missing)
    : ahead
      ? plural("{n} cell alone, then the sheet.", "{n} cells alone, then the sheets.",
          singles.length)
      : text("Nothing sure can be said of these: name them one by one.");
  stage(["single"], text("What is this cell?"), words);
  byId("keys-words").textContent = text("A key names the cell that is shown.");
}

function showSheet(next, many) {
  sheet = next;
  state = "";
  grid.show(sheet);
  const parts = ["grid", "accept", "drop"];
  if (sheet.folded) {
    parts.push("unfold", "folded-words");
    byId("folded-words").textContent = plural(
      "{n} more cell just like these is folded away and will be labelled with them.",
      "{n} more cells just like these are folded away and will be labelled with them.",
      sheet.folded);
    byId("unfold-words").textContent = plural("Show {n} more", "Show {n} more", sheet.folded);
  }
  const words = [plural("{n} cell. Untick what is something else.",
    "{n} cells. Untick what is something else.", sheet.cells.length)];
  if (sheet.part) {
    words.push(text("Part of a sheet that was split, because a check of it failed."));
  }
  if (many > 1) {
    words.push(plural("{n} more sheet follows.", "{n} more sheets follow.", many - 1));
  }
  words.push(`${sheet.rests.words}.`);
  stage(parts, text("{name}: all of these?", { name: sheet.class.name }),
    words.join(" "));
  byId("keys-words").textContent = text("A key gives the cell you are on another class.");
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
  } else if (singles.length) {
    nameSingle(code);
  }
}

const nameSingle = (code) =>
  act(async () => {
    const [cell, ...rest] = singles;
    const answer = await post(`/sheets/singles/${cell.id}`, { class: code, seconds: seconds() });
    const name = choices.byCode.get(code).name.toLowerCase();
    say(answer.split
      ? text("Saved: {name}. A check failed, so its sheet is split.", { name })
      : text("Saved: {name}.", { name }), "good");
    if (rest.length && !answer.split) {
      singles = rest;
      missing = Math.max(0, missing - 1);
      showSingle();
      return;
    }
    await goOn();
  });

const accept = () =>
  act(async () => {
    const sent = { out: grid.out, unfolded: grid.unfolded, seconds: seconds() };
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

const undo = () =>
  act(async () => {
    const { done } = await post("/undo");
    say(done.kind === "sheet" ? text("The sheet is taken back.") : text("Undone."), "good");
    await goOn();
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
  ".": () => sheet?.folded && !grid.unfolded && unfold(),
  s: () => sheet && drop(),
  u: undo,
  "?": help,
};

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !event.shiftKey) {
    event.preventDefault();
    undo();
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
    if (event.shiftKey) {
      choices.ask(node);
    } else {
      choose(node.code);
    }
  }
});

for (const [id, action] of Object.entries({ accept, undo, drop, unfold, "help-open": help })) {
  byId(id).addEventListener("click", (event) => {
    if (event.detail) {
      event.currentTarget.blur(); // after the mouse, the keys belong to the sheet again
    }
    action();
  });
}

setInterval(lookAgain, LOOK_AGAIN);
act(goOn);
