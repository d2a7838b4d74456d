// The labelling page. A label is sent at once; the page says "saved" when the server has answered,
// which it does when the label is on disk. The answer carries the next cell, of which the picture
// is already here.

import { get, post } from "./api.js";
import { Choices } from "./choices.js";
import { byId, thousands } from "./dom.js";
import { Search } from "./search.js";
import { showEvidence, showLog, showProposal } from "./show.js";
import { Viewer } from "./viewer.js";

const start = JSON.parse(byId("start").textContent);
const classes = start.classes;

const viewer = new Viewer(byId("viewer"), byId("picture"), byId("zoom-words"));
const choices = new Choices(classes, (code) => label(code));
const search = new Search(classes, (code) => label(code));
const fetched = new Map(); // address -> Image, so that the browser keeps what comes next decoded

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
  const parts = [`${thousands(progress.labelled)} of ${thousands(progress.total)} labelled`];
  if (progress.this_run) {
    parts.push(`${thousands(progress.this_run)} now`);
  }
  if (progress.skipped) {
    parts.push(`${thousands(progress.skipped)} skipped`);
  }
  byId("progress").textContent = parts.join(" · ");
  byId("empty-words").textContent = progress.total
    ? `All ${thousands(progress.total)} cells${progress.dataset ? ` of ${progress.dataset}` : ""} ` +
      "have a label. Undo (U) still works."
    : "There are no cells here yet.";
}

// Showing a cell --------------------------------------------------------------------------------

function fetchAhead(cells) {
  for (const [address] of fetched) {
    if (!cells.some((next) => next.picture === address)) {
      fetched.delete(address);
    }
  }
  for (const { picture } of cells) {
    if (!fetched.has(picture)) {
      const image = new Image();
      image.src = picture;
      image.decode?.().catch(() => {}); // a picture that cannot be decoded is reported when shown
      fetched.set(picture, image);
    }
  }
}

function show(next) {
  cell = next;
  byId("desk").hidden = !cell;
  byId("empty").hidden = Boolean(cell);
  if (!cell) {
    return;
  }
  byId("cell-title").textContent = `Cell ${cell.id}`;
  const origin = [cell.dataset, cell.patient, cell.slide, cell.file].filter(Boolean).join(" · ");
  byId("cell-origin").textContent = origin;
  byId("cell-origin").title = origin;
  viewer.show(cell.picture, cell.width, cell.height, `Cell ${cell.id}, the one to label`);
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
  showEvidence(cell, hidden);
  const accept = byId("accept");
  const proposal = hidden ? null : cell.proposal;
  accept.disabled = !proposal;
  accept.classList.toggle("unsure", Boolean(proposal) && proposal.decision !== "accept");
  byId("accept-words").textContent = proposal
    ? `${proposal.decision === "accept" ? "Accept" : "Call it"} ${proposal.class.name.toLowerCase()}`
    : "Choose a class below";
  byId("hide").setAttribute("aria-pressed", String(hidden));
  byId("hide").firstChild.textContent = hidden ? "Show" : "Hide";
  choices.mark(hidden ? [] : (proposal?.prediction_set ?? []));
}

/** Show a cell and remember it for "previous". */
function visit(next) {
  show(next);
  if (next && trail[place] !== next.id) {
    trail = [...trail.slice(0, place + 1), next.id];
    place = trail.length - 1;
  }
}

function take(next) {
  fetchAhead([...(next.cell ? [next.cell] : []), ...next.ahead]);
  showProgress(next.progress);
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
    const answer = await post(`/cells/${cell.id}/label`, {
      class: code,
      proposal: proposal?.token ?? null,
      proposal_visible: proposal ? !hidden : null,
    });
    const { done, now } = answer;
    const disputed = now.disputed ? " It disagrees with an earlier label: disputed." : "";
    say(`Saved: cell ${done.cell} is ${done.class.name.toLowerCase()}.${disputed}`, "good");
    take(answer.next);
  });

const accept = () => {
  if (cell?.proposal && !hidden) {
    return label(cell.proposal.class.code);
  }
  say(hidden ? "The proposal is hidden: press a class's key." : "There is nothing to accept here.");
  return undefined;
};

const skip = () =>
  act(async () => {
    if (cell) {
      const answer = await post(`/cells/${cell.id}/skip`);
      say(`Skipped cell ${answer.done.cell}: it comes back after all others.`);
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
      say(`Cell ${cell.id} is ${cell.flagged ? "flagged" : "no longer flagged"}.`, "good");
    }
  });

const UNDONE = {
  label: (done) => `label ${done.class.name.toLowerCase()}`,
  skip: () => "skip",
  flag: () => "flag",
  unflag: () => "removed flag",
};

const undo = () =>
  act(async () => {
    const answer = await post("/undo");
    const { done } = answer;
    say(`Undone: ${UNDONE[done.kind](done)} of cell ${done.cell}.`, "good");
    fetchAhead([answer.cell, ...answer.next.ahead]);
    showProgress(answer.next.progress);
    visit(answer.cell);
  });

const goTo = (step) =>
  act(async () => {
    const wanted = trail[place + step];
    if (wanted === undefined) {
      say(step < 0 ? "This is the first cell you have seen here." : "This is the newest cell.");
      return;
    }
    const found = await get(`/cells/${wanted}`);
    place += step;
    show(found);
    say(`Back at cell ${wanted}.`);
  });

function hide() {
  hidden = !hidden;
  if (cell) {
    drawAnswer();
  }
  say(hidden ? "Proposals are hidden." : "Proposals are shown.");
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

const COMMANDS = {
  "Enter": accept,
  "/": () => search.open(),
  "s": skip,
  "f": flag,
  "u": undo,
  "ArrowLeft": () => goTo(-1),
  "ArrowRight": () => goTo(1),
  ".": hide,
  "+": () => viewer.step(1.5),
  "-": () => viewer.step(1 / 1.5),
  "=": () => viewer.fit(),
  "?": help,
};

/** The letter of a key, whatever Shift makes of it. */
const letterOf = (event) => (event.key.length === 1 ? event.key.toLowerCase() : event.key);

function onKey(event) {
  if (event.target.closest("input, select, textarea")) {
    return;
  }
  if ((event.ctrlKey || event.metaKey) && !event.altKey && letterOf(event) === "z") {
    event.preventDefault();
    undo();
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
})) {
  byId(id).addEventListener("click", (event) => {
    if (event.detail) {
      event.currentTarget.blur(); // after the mouse, the keys belong to the cell again
    }
    action();
  });
}

take(start.next);
