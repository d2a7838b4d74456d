// The panel of the overview that tells how each data set is adapted to, and adapts at a press.

import { restingWords } from "./adapting.js";
import { get, post } from "./api.js";
import { byId } from "./dom.js";
import { text } from "./language.js";

const SLOW = 8000; // milliseconds between questions
const QUICK = 900;

const panel = byId("adapting-panel");
let later = null;

function draw(told) {
  const row = panel.querySelector(`[data-dataset="${CSS.escape(told.dataset)}"]`);
  if (!row) {
    return;
  }
  const say = (name, words) => {
    const into = row.querySelector(`[data-says="${name}"]`);
    if (into.textContent !== words) {
      into.textContent = words;
    }
  };
  say("rests", restingWords(told.rests));
  say("next", told.words || told.next);
  const button = row.querySelector("button");
  if (button) {
    button.disabled = !told.on || ["waiting", "working"].includes(told.state);
  }
}

async function ask() {
  clearTimeout(later);
  let busy = false;
  try {
    const { datasets } = await get("/adapting");
    datasets.forEach(draw);
    busy = datasets.some(({ state }) => ["waiting", "working"].includes(state));
  } catch {
    // the next question may be answered
  }
  later = setTimeout(ask, busy ? QUICK : SLOW);
}

panel.addEventListener("click", async (event) => {
  const row = event.target.closest("button") && event.target.closest("[data-dataset]");
  if (!row) {
    return;
  }
  try {
    draw(await post("/adapting/now", { dataset: row.dataset.dataset }));
    byId("adapting-said").textContent = text("Adapting begins.");
  } catch (error) {
    byId("adapting-said").textContent = error.words ?? String(error);
  }
  await ask();
});

ask();
