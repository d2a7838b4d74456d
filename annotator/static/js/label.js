// The labelling page. A label is sent at once; the page says "saved" when the server has answered,
// which it does when the label is on disk. The answer carries the next cell, of which the picture
// is already here.

import { AdaptingLine } from "./adapting.js";
import { Adjust } from "./adjust.js";
import { fetchAhead } from "./ahead.js";
import { get, post } from "./api.js";
import { Choices } from "./choices.js";
import { Closer, Watch } from "./closer.js";
import { byId, drawn, thousands } from "./dom.js";
import { showEmpty } from "./empty.js";
import { text } from "./language.js";
import { Search } from "./search.js";
import { showEvidence, showLog, showProposal } from "./show.js";
import { Viewer } from "./viewer.js";

const start = JSON.parse(byId("start").textContent);
const classes = start.classes;

const viewer = new Viewer(byId("viewer"), byId("picture"), byId("zoom-words"));
const choices = new Choices(classes, (code) => label(code));
const search = new Search(classes, (code) => label(code));
const closer = new Closer(start, viewer, say);
const adjust = new Adjust();
const rests = new AdaptingLine(byId("rests"));
const watch = new Watch();
closer.renewed = (proposal) => {
  cell = { ...cell, proposal };
  drawAnswer();
};

let cell = null;
let hidden = false;
let busy = false;
let trail = []; // ids of the cells shown, oldest first
let place = -1; // where in the trail we are

// Saying things ---------------------------------------------------------------------------------

function say(words, kind = "") {
  byId("status").className = `status-words ${kind}`;
  byId("status").textContent = words;
  byId("live").textContent = words;
}

function sayError(error) {
  say(error.words ?? String(error), "bad");
}

function showProgress(progress) {
  const parts = [text("{labelled} of {total} labelled", {
    labelled: thousands(progress.labelled), total: thousands(progress.total),
  })];
  if (progress.this_run) {
    parts.push(text("{count} now", { count: thousands(progress.this_run) }));
  }
  if (progress.skipped) {
    parts.push(text("{count} skipped", { count: thousands(progress.skipped) }));
  }
  byId("progress").textContent = parts.join(" · ");
}

// Showing a cell --------------------------------------------------------------------------------

function show(next) {
  cell = next;
  byId("desk").hidden = !cell;
  byId("empty").hidden = Boolean(cell);
  if (!cell) {
    return;
  }
  byId("cell-title").textContent = text("Cell {id}", { id: cell.id });
  const origin = [cell.dataset, cell.patient, cell.slide, cell.file].filter(Boolean).join(" · ");
  byId("cell-origin").textContent = origin;
  byId("cell-origin").title = origin;
  const words = text("Cell {id}, the one to label", { id: cell.id });
  closer.cell = cell;
  viewer.show(cell.picture, cell.width, cell.height, words);
  const { state, message, remedy } = cell.picture_state;
  byId("picture-problem").hidden = state === "ok";
  byId("picture-problem").textContent = state === "ok" ? "" : `${message}; ${remedy}.`;
  byId("flag-mark").hidden = !cell.flagged;
  byId("flag").setAttribute("aria-pressed", String(cell.flagged));
  drawAnswer();
  showLog(cell);
  history.replaceState(null, "", `/?cell=${cell.id}`);
}

function drawAnswer() {
  showProposal(cell, hidden);
  closer.take(cell, hidden);
  showEvidence(cell, hidden);
  const accept = byId("accept");
  const proposal = hidden ? null : cell.proposal;
  rests.show(cell.dataset, proposal?.rests ?? null);
  accept.disabled = !proposal;
  accept.classList.toggle("unsure", Boolean(proposal) && proposal.decision !== "accept");
  byId("accept-words").textContent = proposal
    ? acceptWords(proposal)
    : text("Choose a class below");
  byId("hide").setAttribute("aria-pressed", String(hidden));
  byId("hide-words").textContent = hidden ? text("Show") : text("Hide");
  choices.mark(hidden ? [] : (proposal?.prediction_set ?? []));
}

function acceptWords(proposal) {
  const name = proposal.class.name.toLowerCase();
  return proposal.decision === "accept"
    ? text("Accept {name}", { name })
    : text("Call it {name}", { name });
}

/** Show a cell and remember it for "previous". */
function visit(next) {
  show(next);
  watch.start();
  if (next && trail[place] !== next.id) {
    trail = [...trail.slice(0, place + 1), next.id];
    place = trail.length - 1;
  }
}

function take(next) {
  fetchAhead([...(next.cell ? [next.cell] : []), ...next.ahead]);
  showProgress(next.progress);
  if (!next.cell) {
    showEmpty(next);
  }
  visit(next.cell);
}

// Acts ------------------------------------------------------------------------------------------

/** Do one thing at a time; what is pressed meanwhile is not done to the wrong cell. */
async function act(doing) {
  if (busy) {
    return;
  }
  busy = true;
  try {
    await doing();
  } catch (error) {
    if (error.type === "stale_proposal") {
      show(await get(`/cells/${cell.id}`).catch(() => cell));
    }
    sayError(error);
  } finally {
    busy = false;
  }
}

const label = (code) =>
  act(async () => {
    if (!cell) {
      return;
    }
    const { proposal } = cell;
    const sent = {
      class: code,
      proposal: proposal?.token ?? null,
      proposal_visible: proposal ? !hidden : null,
      seconds: Number(watch.seconds.toFixed(2)),
      version: cell.version ?? null,
    };
    try {
      labelled(await post(`/cells/${cell.id}/label`, sent));
    } catch (error) {
      if (error.type !== "label_conflict") {
        throw error;
      }
      // Both labels are kept; the page goes on, and says that they are two.
      take(error.answer.next);
      say(error.words, "bad");
    }
  });

function labelled({ done, now, next, check }) {
  take(next);
  if (check) {
    say(check.words, check.caught ? "good" : "bad");
    return;
  }
  const name = done.class.name.toLowerCase();
  const saved = text("Saved: cell {id} is {name}.", { id: done.cell, name });
  const disputed = text("It disagrees with an earlier label: disputed.");
  say(now.disputed ? `${saved} ${disputed}` : saved, "good");
}

const accept = () => {
  if (cell?.proposal && !hidden) {
    return label(cell.proposal.class.code);
  }
  say(hidden
    ? text("The proposal is hidden: press a class's key.")
    : text("There is nothing to accept here."));
  return undefined;
};

const skip = () =>
  act(async () => {
    if (cell) {
      const answer = await post(`/cells/${cell.id}/skip`);
      say(text("Skipped cell {id}: it comes back after all others.", { id: answer.done.cell }));
      take(answer.next);
    }
  });

const flag = () =>
  act(async () => {
    if (cell) {
      const answer = await post(`/cells/${cell.id}/flag`, { flagged: !cell.flagged });
      cell = { ...cell, flagged: answer.flagged };
      byId("flag-mark").hidden = !cell.flagged;
      byId("flag").setAttribute("aria-pressed", String(cell.flagged));
      say(cell.flagged
        ? text("Cell {id} is flagged.", { id: cell.id })
        : text("Cell {id} is no longer flagged.", { id: cell.id }), "good");
    }
  });

/** Others may have given back what they held. */
const askAgain = () =>
  act(async () => {
    const next = await get("/next");
    take(next);
    if (next.cell) {
      byId("viewer").focus();
    }
    say(next.cell ? text("Here is a cell for you.") : byId("empty-words").textContent);
  });

const UNDONE = {
  label: ({ cell: id, class: node }) => text("Undone: label {name} of cell {id}.", {
    id, name: node.name.toLowerCase(),
  }),
  sheet: () => text("The sheet is taken back."),
  rename: () => text("Undone: another class for a whole sheet."),
  drop: () => text("The sheet that was put away is open again."),
  skip: ({ cell: id }) => text("Undone: skip of cell {id}.", { id }),
  flag: ({ cell: id }) => text("Undone: flag of cell {id}.", { id }),
  unflag: ({ cell: id }) => text("Undone: removed flag of cell {id}.", { id }),
};

const undo = () =>
  act(async () => {
    const answer = await post("/undo");
    const { done } = answer;
    say(UNDONE[done.kind](done), "good");
    fetchAhead([answer.cell, ...answer.next.ahead]);
    showProgress(answer.next.progress);
    visit(answer.cell);
  });

const redo = () =>
  act(async () => {
    const answer = await post("/redo");
    say(text("Done again: cell {id}.", { id: answer.done.cell }), "good");
    fetchAhead([answer.cell, ...answer.next.ahead]);
    showProgress(answer.next.progress);
    visit(answer.cell);
  });

const goTo = (step) =>
  act(async () => {
    const wanted = trail[place + step];
    if (wanted === undefined) {
      say(step < 0
        ? text("This is the first cell you have seen here.")
        : text("This is the newest cell."));
      return;
    }
    const found = await get(`/cells/${wanted}`);
    place += step;
    show(found);
    watch.start();
    say(text("Back at cell {id}.", { id: wanted }));
  });

function hide() {
  hidden = !hidden;
  if (cell) {
    drawAnswer();
  }
  say(hidden ? text("Proposals are hidden.") : text("Proposals are shown."));
}

// Keyboard --------------------------------------------------------------------------------------

function help() {
  const dialog = byId("help");
  if (dialog.open) {
    dialog.close();
  } else {
    dialog.showModal();
  }
}

function toggleAdjust() {
  const box = byId("adjust-box");
  box.open = !box.open;
  if (box.open) {
    adjust.brightness.focus();
  } else {
    byId("viewer").focus();
  }
}

const COMMANDS = {
  "Enter": accept,
  "/": () => search.open(),
  "s": skip,
  "f": flag,
  "u": undo,
  "ArrowLeft": () => goTo(-1),
  "ArrowRight": () => goTo(1),
  ".": hide,
  ";": () => closer.toggle(),
  ",": () => closer.compare(),
  "*": () => closer.toggleSeen(),
  "_": toggleAdjust,
  "+": () => viewer.step(1.5),
  "-": () => viewer.step(1 / 1.5),
  "=": () => viewer.fit(),
  "?": help,
};

/** The letter of a key, whatever Shift makes of it. */
const letterOf = (event) => (event.key.length === 1 ? event.key.toLowerCase() : event.key);

function onKey(event) {
  if (event.target.closest("#adjust-box") && ["Escape", "_"].includes(event.key)) {
    event.preventDefault();
    toggleAdjust();
    return;
  }
  if (event.target.closest("input, select, textarea")) {
    return;
  }
  if ((event.ctrlKey || event.metaKey) && !event.altKey && "zy".includes(letterOf(event))) {
    event.preventDefault();
    (letterOf(event) === "y" || event.shiftKey ? redo : undo)();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) {
    return;
  }
  const dialog = document.querySelector("dialog[open]");
  if (dialog) {
    if (event.key === "?" && dialog.id === "help") {
      event.preventDefault();
      help();
    }
    return;
  }
  // A key held down must not label one cell after another.
  if (event.repeat && !["ArrowLeft", "ArrowRight", "+", "-"].includes(event.key)) {
    return;
  }
  if (event.key === "Enter" && event.target.closest("button, a, summary")) {
    return; // the element that has the focus is meant
  }
  const letter = letterOf(event);
  const node = choices.byKey.get(letter);
  const command = COMMANDS[event.key] ?? (event.shiftKey ? null : COMMANDS[letter]);
  if (event.shiftKey && node && /^[a-z]$/.test(letter)) {
    event.preventDefault();
    choices.ask(node);
  } else if (command) {
    event.preventDefault();
    command();
  } else if (node) {
    event.preventDefault();
    label(node.code);
  }
}

document.addEventListener("keydown", onKey);
for (const [id, action] of Object.entries({
  accept,
  skip,
  flag,
  undo,
  previous: () => goTo(-1),
  hide,
  "help-open": help,
  "ask-again": askAgain,
})) {
  byId(id).addEventListener("click", (event) => {
    if (event.detail) {
      event.currentTarget.blur(); // after the mouse, the keys belong to the cell again
    }
    action();
  });
}

take(start.next);
drawn();
