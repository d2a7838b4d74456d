// The clusters page by keyboard: a class's key names the selected cluster, . and , go to the next
// and the one before. Selected is the cluster that is open, else the one whose card has the focus.

import { call } from "./api.js";
import { byId } from "./dom.js";
import { text } from "./language.js";

export class ClusterKeys {
  /** `list()`: the clusters shown. `one`: the ClusterView. `named(id)`: after a name was kept. */
  constructor({ classes, list, one, attempt, named }) {
    Object.assign(this, { list, one, attempt, named });
    this.byKey = new Map(
      classes.filter((node) => node.direct_key).map((node) => [node.direct_key, node]));
    document.addEventListener("keydown", (event) => this.key(event));
  }

  get opened() {
    return byId("one-view").hidden ? null : this.one.id;
  }

  /** The cluster that a key is meant for, or null. */
  get selected() {
    const card = document.activeElement?.closest?.(".cluster-card");
    const id = this.opened ?? (card ? Number(card.dataset.cluster) : null);
    return this.list().find((cluster) => cluster.id === id) ?? null;
  }

  key(event) {
    const writing = event.target.closest("input:not([type=checkbox]), select, textarea");
    if (writing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing
        || event.repeat || !byId("spread-view").hidden) {
      return;
    }
    const node = event.shiftKey ? null : this.byKey.get(event.key.toLowerCase());
    if (event.key === "." || event.key === ",") {
      event.preventDefault();
      this.step(event.key === "." ? 1 : -1);
    } else if (node && this.selected) {
      event.preventDefault();
      this.attempt(() => this.take(this.selected, node));
    }
  }

  step(by) {
    const clusters = this.list();
    const at = clusters.findIndex((cluster) => cluster.id === this.selected?.id);
    const next = clusters[at < 0 ? (by > 0 ? 0 : clusters.length - 1) : at + by];
    if (!next) {
      this.say(by > 0 ? text("This is the last cluster of the page.")
        : text("This is the first cluster of the page."));
    } else if (this.opened === null) {
      document.querySelector(`[data-cluster="${next.id}"] a`).focus();
    } else {
      location.hash = `cluster-${next.id}`;
    }
  }

  async take(cluster, node) {
    await call("PUT", `/explore/clusters/${cluster.id}`, { name: cluster.name, class: node.code });
    await this.named(cluster.id);
    this.say(text("{cluster} is taken for {name}.", {
      cluster: text("Cluster {id}", { id: cluster.id }), name: node.name.toLowerCase(),
    }));
  }

  say(words) {
    byId(this.opened === null ? "list-said" : "one-said").textContent = words;
  }
}
