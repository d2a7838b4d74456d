// Looking closely at the cell on the labelling page: why not the class that comes second, what the
// network saw, and two cells side by side at one scale.

import { get } from "./api.js";
import { byId, make, percent, swatch } from "./dom.js";
import { text } from "./language.js";
import { level, scaleBar } from "./scale.js";
import { neighbour, showEvidence } from "./show.js";

const HASH = 3; // place of the hash of the pixels in /images/ID/HASH/full.png

export class Closer {
  /** `start` tells the model and the pixel sizes, `viewer` shows the picture, `say` says. */
  constructor(start, viewer, say) {
    this.model = start.model;
    this.sizes = start.pixel_sizes;
    this.setsScale = start.sets_scale;
    this.viewer = viewer;
    this.say = say;
    this.cell = null;
    this.hidden = false;
    this.against = false; // whether the neighbours of the runner-up are shown
    this.asked = new Map(); // token of a proposal -> the answer to "why not" it
    this.renewed = () => {}; // told a proposal that is newer than the one in view
    this.place = 0;
    viewer.drawn = (scale) => this.showScale(scale);
    byId("why").addEventListener("click", () => this.show(false));
    byId("why-not").addEventListener("click", () => this.show(true));
    byId("seen").addEventListener("click", () => this.toggleSeen());
    byId("compare-open").addEventListener("click", () => this.compare());
    byId("compare-before").addEventListener("click", () => this.step(-1));
    byId("compare-after").addEventListener("click", () => this.step(1));
    byId("compare").addEventListener("keydown", (event) => this.onKey(event));
    this.observer = new ResizeObserver(() => this.level());
    this.observer.observe(byId("compare-samples"));
  }

  /** A new cell, or the same with its proposal shown or hidden. */
  take(cell, hidden) {
    if (cell.id !== this.cell?.id) {
      this.against = false;
      this.place = 0;
    }
    this.cell = cell;
    this.hidden = hidden;
    this.near = hidden ? [] : (cell.proposal?.evidence ?? []);
    this.linkAlike();
    byId("seen").setAttribute("aria-pressed", "false");
    byId("seen").disabled = !this.model || cell.picture_state.state !== "ok";
    byId("seen-mark").hidden = true;
    this.draw();
  }

  get runnerUp() {
    return this.hidden ? null : this.cell?.proposal?.runner_up;
  }

  draw() {
    const { runnerUp } = this;
    const proposal = this.hidden ? null : this.cell.proposal;
    byId("why-not").disabled = !runnerUp;
    byId("why-not-words").textContent = runnerUp
      ? text("Why not {name}", { name: runnerUp.name.toLowerCase() })
      : text("Why not");
    byId("why").disabled = !proposal;
    byId("compare-open").disabled = !proposal;
    byId("why").setAttribute("aria-pressed", String(!this.against));
    byId("why-not").setAttribute("aria-pressed", String(this.against));
  }

  /** The link to a search for cells like this one; without an embedding there is no likeness. */
  linkAlike() {
    const { id, no_proposal: none } = this.cell;
    byId("more-like").hidden = none?.type === "no_embedding";
    byId("more-like").href = `/search?more=${id}`;
    byId("more-like-cell").textContent = text("cell {id}", { id });
  }

  /** Show the neighbours that voted, or those of the runner-up. */
  async show(against) {
    const { cell } = this;
    if (!cell || (against && !this.runnerUp)) {
      this.say(text("There is no second class to compare with."));
      return;
    }
    this.against = against;
    this.place = 0;
    this.draw();
    if (!against) {
      this.near = this.cell.proposal?.evidence ?? [];
      showEvidence(cell, this.hidden);
      return;
    }
    try {
      const shown = cell.proposal.token;
      const found = this.asked.get(shown) ?? (await get(`/focus/${cell.id}/why-not`));
      if (this.cell !== cell || !this.against) {
        return; // another cell is in view by now
      }
      // An adaptation since the cell was shown: its figures and those in view are of one moment.
      if (found.proposal && found.proposal.token !== shown) {
        this.renewed(found.proposal);
        this.say(text("The proposal is newer than the one you saw: it was adapted meanwhile."));
      }
      if (!found.class) {
        this.against = false;
        this.draw();
        this.say(text("There is no second class to compare with."));
        return;
      }
      this.asked.set(this.cell.proposal.token, found);
      this.showWhyNot(found);
    } catch (error) {
      this.say(error.words ?? String(error), "bad");
    }
  }

  showWhyNot(found) {
    this.near = found.neighbours;
    const first = this.cell.proposal.evidence[0];
    const name = found.class.name.toLowerCase();
    const [mine, other] = [first?.distance, found.neighbours[0]?.distance];
    byId("evidence-words").textContent = found.neighbours.length
      ? text("The labelled cells of {name} ({percent}) most like it: the nearest at {other}, " +
          "the nearest of all at {mine}", {
          name,
          percent: percent(found.probability),
          other: other.toFixed(3),
          mine: mine === undefined ? "–" : mine.toFixed(3),
        })
      : text("No labelled cell of {name} to show", { name });
    byId("votes").replaceChildren();
    byId("neighbours").replaceChildren(...found.neighbours.map(neighbour));
  }

  toggle() {
    return this.show(!this.against);
  }

  // What the network saw ------------------------------------------------------------------------

  toggleSeen() {
    const button = byId("seen");
    if (button.disabled) {
      return;
    }
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    byId("seen-mark").hidden = !on;
    const hash = this.cell.picture.split("/")[HASH];
    const address = on ? `/focus/seen/${this.cell.id}/${hash}/${this.model}.png` : this.cell.picture;
    this.viewer.instead(on ? address : null);
    this.say(on
      ? text("This is what the network saw of the cell.")
      : text("This is the stored picture."));
  }

  // Scale ---------------------------------------------------------------------------------------

  /** `scale`: screen pixels a picture pixel; null while another picture is shown in its place. */
  showScale(scale) {
    const micrometres = this.sizes[this.cell?.dataset];
    const words = byId("scale-words");
    words.hidden = scale === null;
    if (scale === null || !this.cell) {
      return;
    }
    if (micrometres > 0) {
      words.replaceChildren(scaleBar(scale / micrometres, 110));
    } else if (!this.setsScale) {
      words.textContent = text("scale unknown");
    } else if (words.querySelector("a")?.pathname !== `/cells/${this.cell.id}`) {
      const why = text("No pixel size is given for this data set; its cells' pages take one.");
      words.replaceChildren(
        `${text("scale unknown")}: `,
        make("a", { href: `/cells/${this.cell.id}#pixel-size`, title: why,
          text: text("set it on its page") }),
      );
    }
  }

  // Side by side --------------------------------------------------------------------------------

  compare() {
    if (this.hidden || !this.near?.length) {
      this.say(text("There is no neighbour to compare with."));
      return;
    }
    this.place = Math.min(this.place, this.near.length - 1);
    byId("compare").showModal();
    this.drawPair();
  }

  step(by) {
    const next = this.place + by;
    if (next >= 0 && next < this.near.length) {
      this.place = next;
      this.drawPair();
    }
  }

  onKey(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && !event.target.closest("input")) {
      event.preventDefault();
      event.stopPropagation();
      this.step(by);
    }
  }

  async drawPair() {
    const other = this.near[this.place];
    byId("compare-place").textContent = text("neighbour {n} of {total}", {
      n: this.place + 1, total: this.near.length,
    });
    byId("compare-before").disabled = this.place === 0;
    byId("compare-after").disabled = this.place === this.near.length - 1;
    const picture = other.thumbnail.replace("thumb.webp", "full.png");
    const size = await sizeOf(picture);
    if (this.near[this.place] !== other) {
      return; // stepped on meanwhile
    }
    byId("compare-samples").replaceChildren(
      this.sample(this.cell.picture, [this.cell.width, this.cell.height], this.cell.dataset,
        text("Cell {id}, the one to label", { id: this.cell.id }), null),
      this.sample(picture, size, other.dataset, text("Cell {id}", { id: other.cell }), other),
    );
    this.level();
  }

  sample(picture, [width, height], dataset, words, other) {
    const said = other && make("span", { class: "sample-class" }, swatch(other.class.code),
      make("span", { text: other.class.name }));
    const from = other && make("span", { class: "faint", text: text(
      "labelled by {author}; distance {distance}",
      { author: other.author, distance: other.distance.toFixed(3) }) });
    const image = make("img", { src: picture, alt: words });
    image.style.filter = byId("picture").style.filter;
    return make("figure",
      { class: "sample", "data-width": width, "data-height": height,
        "data-micrometres": this.sizes[dataset] ?? null },
      make("div", { class: "sample-frame" }, image),
      make("figcaption", {}, said, make("span", { text: words }), from,
        make("span", { class: "sample-scale faint" })));
  }

  level() {
    const figures = [...byId("compare-samples").children];
    if (figures.length) {
      level(figures);
    }
  }
}

/** Width and height of a picture in its own pixels. */
async function sizeOf(address) {
  const image = new Image();
  image.src = address;
  try {
    await image.decode();
  } catch {
    return [1, 1]; // a placeholder stands there
  }
  return [image.naturalWidth || 1, image.naturalHeight || 1];
}

/** How many seconds the page was looked at since the cell was shown. */
export class Watch {
  constructor() {
    this.start();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        this.spent = this.seconds;
        this.since = null;
      } else {
        this.since = performance.now();
      }
    });
  }

  start() {
    this.spent = 0;
    this.since = document.hidden ? null : performance.now();
  }

  get seconds() {
    return this.spent + (this.since === null ? 0 : (performance.now() - this.since) / 1000);
  }
}
