// The review by keyboard, the evidence when it is asked for, and the time a decision takes.

import { get } from "./api.js";
import { Adjust } from "./adjust.js";
import { byId, make, percent, swatch } from "./dom.js";
import { plural, text } from "./language.js";
import { keepLevel } from "./scale.js";
import { voting } from "./show.js";

const PAUSE = 1000; // milliseconds between two questions how far a search is

const opened = performance.now();

function showEvidence({ proposal, no_proposal: reason }) {
  const body = byId("evidence-body");
  if (!proposal) {
    body.replaceChildren(make("p", { text: reason.message }), make("p", { text: reason.remedy }));
    return;
  }
  byId("proposal-token").value = proposal.token;
  byId("evidence-seen").value = "yes";
  const near = proposal.evidence.map((each) =>
    make("li", { class: "neighbour" },
      make("img", { src: each.thumbnail, width: 104, height: 104, decoding: "async",
        alt: text("Cell {id}", { id: each.cell }) }),
      make("span", { class: "neighbour-words" },
        make("span", { class: "neighbour-class" }, swatch(each.class.code),
          make("span", { text: each.class.short }),
          make("span", { class: "number", text: each.distance.toFixed(3) })),
        make("span", { class: "faint-tiny", text: each.slide ?? each.patient ?? each.dataset }))));
  body.replaceChildren(
    make("p", { text: `${proposal.class.name}: ${percent(proposal.probability)}. ` +
      proposal.words.novelty }),
    make("div", { class: "votes" }, ...voting(proposal)),
    make("ol", { class: "neighbours" }, ...near),
  );
}

/** What was opened by its key may lie below the fold. */
function bringToView(details) {
  details.querySelector("summary").focus({ preventScroll: true });
  const { top, bottom } = details.getBoundingClientRect();
  if (top < 0 || bottom > window.innerHeight) {
    details.scrollIntoView({ block: "start" });
  }
}

function lookAtEvidence(details) {
  details.addEventListener("toggle", async () => {
    if (!details.open) {
      return;
    }
    if (details.dataset.asked) {
      bringToView(details);
      return;
    }
    details.dataset.asked = "yes";
    const body = byId("evidence-body");
    body.textContent = text("Looking …");
    bringToView(details);
    try {
      showEvidence(await get(details.dataset.from.replace("/api/v1", "")));
      bringToView(details);
    } catch (error) {
      body.textContent = error.words ?? String(error);
      delete details.dataset.asked;
    }
  });
}

/** While a slow search goes on: say how far it is, and show what it found when it is over. */
async function followSearch(status) {
  const bar = byId("search-bar");
  for (;;) {
    let told;
    try {
      told = await get(`/review/${status.dataset.queue}`);
    } catch (error) {
      status.textContent = error.words ?? String(error);
      return;
    }
    const found = plural("{n} to look at", "{n} to look at", told.total);
    const share = Math.floor(100 * told.searched);
    bar.value = told.searched;
    if (told.searched >= 1) {
      // Who is at work on the list already keeps it, and is told.
      if (document.querySelector(".matters")?.contains(document.activeElement)) {
        status.replaceChildren(`${found} · `,
          make("a", { href: window.location.href, text: text("show all that was found") }));
        bar.hidden = true;
      } else {
        window.location.reload();
      }
      return;
    }
    const far = text("still searching: {share} %", { share });
    status.textContent = `${found} · ${far}`;
    await new Promise((resume) => {
      setTimeout(resume, PAUSE);
    });
  }
}

/** What a key presses: a button or link of the page, or nothing. */
function meant(key) {
  const named = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  const others = {
    "ArrowLeft": byId("before"),
    "ArrowRight": byId("after"),
    "u": byId("take-back"),
    "Enter": byId("begin"),
    "e": document.querySelector("#evidence summary"),
  };
  return named ?? others[key.length === 1 ? key.toLowerCase() : key] ?? null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat
      || event.target.closest("input, select, textarea")
      || (event.key === "Enter" && event.target.closest("a, button, summary"))) {
    return;
  }
  if (event.key === "/" && byId("other")) {
    event.preventDefault();
    byId("other").focus();
    return;
  }
  const element = meant(event.key);
  if (element) {
    event.preventDefault();
    element.click();
  }
});

for (const form of document.querySelectorAll(".decide")) {
  form.addEventListener("submit", () => {
    const seconds = byId("seconds");
    if (form.contains(seconds)) {
      seconds.value = ((performance.now() - opened) / 1000).toFixed(1);
    }
  });
}

if (byId("adjust")) {
  new Adjust();
  keepLevel();
  lookAtEvidence(byId("evidence"));
}
if (byId("searching")) {
  followSearch(byId("searching"));
}
