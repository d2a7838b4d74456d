// How far the answers on a data set can be trusted: asked for until it is known, and told in its place.
// An owner declares here which classes can occur.

import { call, get } from "./api.js";
import { byId } from "./dom.js";

const SLOW = 8000; // milliseconds between questions
const QUICK = 900;

const panel = byId("trust");
const dataset = panel.dataset.of;
let later = null;

function say(id, words) {
  if (byId(id).textContent !== words) {
    byId(id).textContent = words;
  }
}

function draw({ state, trust }) {
  say("trust-words", trust.words);
  panel.dataset.unlike = String(trust.unlike);
  clearTimeout(later);
  later = setTimeout(ask, ["waiting", "working"].includes(state) ? QUICK : SLOW);
  return trust;
}

async function ask() {
  try {
    draw(await get(`/adapting?dataset=${encodeURIComponent(dataset)}`));
  } catch {
    later = setTimeout(ask, SLOW); // the next question may be answered
  }
}

byId("declare")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const classes = new FormData(event.target).getAll("class");
  try {
    say("trust-declared", draw(await call("PUT", "/adapting/classes", { dataset, classes }))
      .declared_words);
  } catch (error) {
    say("trust-declared", error.words ?? String(error));
  }
});

ask();
