// Drawing one cell: the proposal, the votes, the neighbours, the log.

import { bar, byId, make, moment, percent, swatch } from "./dom.js";
import { plural, text } from "./language.js";

const MARKS = {
  accept: ["mark-good", "✓"],
  back_off: ["mark-warn", "↑"],
  abstain: ["mark-bad", "?"],
};

const NOVELTY_MARKS = {
  usual: ["", "·"],
  unusual: ["mark-warn", "!"],
  novel: ["mark-bad", "!"],
};

function verdict(proposal) {
  const [decisionClass, decision] = MARKS[proposal.decision] ?? MARKS.abstain;
  const [noveltyClass, novelty] = NOVELTY_MARKS[proposal.novelty_level];
  const rows = [
    [decisionClass, decision, proposal.words.decision],
    ["", "≈", proposal.words.prediction_set],
    [noveltyClass, novelty, proposal.words.novelty],
  ].filter(([, , words]) => words);
  return make(
    "div",
    { class: "verdict" },
    ...rows.flatMap(([kind, mark, words]) => [
      make("span", { class: `verdict-mark ${kind}`, "aria-hidden": "true", text: mark }),
      make("span", { text: words }),
    ]),
  );
}

/** The proposal in words, or why there is none. */
export function showProposal(cell, hidden) {
  const into = byId("proposal");
  const { proposal } = cell;
  if (hidden) {
    into.replaceChildren(
      make("div", { class: "proposal-none" },
        make("p", { text: text("The proposal is hidden, so your label will be your own.") }),
        make("p", { text: text("It is recorded that you did not see one.") })),
    );
  } else if (!proposal) {
    const { message, remedy } = cell.no_proposal;
    const run = remedy.startsWith("Run: ");
    into.replaceChildren(
      make("div", { class: "proposal-none" },
        make("p", { text: message }),
        run
          ? make("p", {}, text("Run: "), make("code", { text: remedy.slice(5) }))
          : make("p", { text: remedy })),
    );
  } else {
    into.replaceChildren(
      make("p", { class: "proposal-class" },
        make("span", {}, swatch(proposal.class.code),
          make("span", { id: "proposed", text: proposal.class.name })),
        make("span", { class: "number", text: percent(proposal.probability) })),
      bar(proposal.probability, proposal.class.code,
        text("probability {percent}", { percent: percent(proposal.probability) })),
      verdict(proposal),
    );
  }
}

function vote(row, total) {
  const words = text("{percent} · {count} of {total}", {
    percent: percent(row.share), count: row.count, total,
  });
  return make(
    "div",
    { class: "vote" },
    make("span", { class: "vote-name" }, swatch(row.code),
      make("span", { class: "vote-label", title: row.name, text: row.name })),
    bar(row.share, row.code, text("{name}: {percent} of the weight", { name: row.name, percent: percent(row.share) })),
    make("span", { class: "number faint", text: words }),
  );
}

/** What a bar says, a bar for each class, and why the proposal is another than they say. */
export function voting(proposal) {
  const total = proposal.evidence.length;
  const against = proposal.words.votes;
  return [
    make("p", { class: "faint votes-key",
      text: text("Weight (nearer ones weigh more) · neighbours") }),
    ...proposal.votes.map((row) => vote(row, total)),
    ...(against ? [make("p", { class: "votes-against", text: against })] : []),
  ];
}

/** One neighbour: picture, label, distance, who said so, where it is from. */
export function neighbour(evidence) {
  const from = [evidence.slide ?? evidence.patient, evidence.dataset].filter(Boolean).join(" · ");
  return make(
    "li",
    { class: "neighbour" },
    make(
      "a",
      {
        href: `/cells/${evidence.cell}`,
        target: "_blank",
        rel: "noopener",
        title: text("Cell {id}: {file}", { id: evidence.cell, file: evidence.file }),
      },
      make("img", {
        src: evidence.thumbnail,
        alt: text("Cell {id}", { id: evidence.cell }),
        width: 104,
        height: 104,
        decoding: "async",
      }),
      make(
        "span",
        { class: "neighbour-words" },
        make("span", { class: "neighbour-class" }, swatch(evidence.class.code),
          make("span", { title: evidence.class.name, text: evidence.class.short }),
          make("span", {
            class: "number",
            title: text("distance: 1 − cosine, smaller is more alike"),
            text: evidence.distance.toFixed(3),
          })),
        make("span", {
          title: text("labelled by {author}", { author: evidence.author }),
          text: text("by {author}", { author: evidence.author }),
        }),
        make("span", { class: "faint-tiny", title: from, text: from }),
      ),
    ),
  );
}

/** The neighbours that voted, and how. */
export function showEvidence(cell, hidden) {
  const proposal = hidden ? null : cell.proposal;
  const total = proposal?.evidence.length ?? 0;
  byId("evidence-words").textContent = proposal
    ? plural("The {n} labelled cell most like it",
        "The {n} most alike of the labelled cells, nearest first", total)
    : hidden
      ? text("Hidden together with the proposal")
      : text("No labelled neighbours to show");
  byId("votes").replaceChildren(...(proposal ? voting(proposal) : []));
  byId("neighbours").replaceChildren(...(proposal?.evidence ?? []).map(neighbour));
}

/** What has been said of the cell so far, in one line. */
export function showLog(cell) {
  const into = byId("log");
  const standing = cell.history.filter((entry) => !entry.retracted && entry.how !== "undo");
  if (!standing.length) {
    into.textContent = cell.history.length ? text("Its labels have been taken back.") : "";
    return;
  }
  const said = standing
    .map((entry) => `${entry.class.name} (${entry.author}, ${moment(entry.time)})`)
    .join("; ");
  into.replaceChildren(
    make("strong", { text: cell.disputed ? text("Disputed: ") : text("Labelled: ") }),
    said,
  );
}
