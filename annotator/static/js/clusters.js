// The clusters page: the list, and which of its views is open. The address says which.

import { ApiError, get, post } from "./api.js";
import { ClusterKeys } from "./cluster_keys.js";
import { ClusterView } from "./cluster_view.js";
import { byId, drawn, make, swatch } from "./dom.js";
import { plural, text } from "./language.js";
import { follow, showJob } from "./open_sheet.js";
import { SpreadView } from "./spread_view.js";

const start = JSON.parse(byId("start").textContent);
let found = start.found;
const ticked = new Set();

function complain(error) {
  byId("problem").textContent = error instanceof ApiError ? error.words : String(error);
  byId("problem").hidden = false;
  byId("problem").scrollIntoView({ block: "nearest" });
}

async function attempt(work) {
  byId("problem").hidden = true;
  try {
    return await work();
  } catch (error) {
    complain(error);
    return null;
  }
}

const nameOf = (cluster) =>
  cluster.name || cluster.class?.name || text("Cluster {id}", { id: cluster.id });

// The list -------------------------------------------------------------------------------------------

function card(cluster) {
  const tick = make("input", {
    type: "checkbox",
    "aria-label": text("Tick {name}", { name: nameOf(cluster) }),
    on: {
      change: () => {
        ticked.delete(cluster.id) || ticked.add(cluster.id);
        byId("merge").disabled = ticked.size < 2;
      },
    },
  });
  tick.checked = ticked.has(cluster.id);
  const labelled = cluster.labelled
    ? ` · ${plural("{n} labelled", "{n} labelled", cluster.labelled)}`
    : "";
  return make(
    "li",
    { class: "cluster-card", "data-cluster": cluster.id },
    make("div", { class: "cluster-card-head" }, tick,
      make("a", { href: `#cluster-${cluster.id}`, text: nameOf(cluster) }),
      cluster.class ? swatch(cluster.class.code) : null),
    make("div", { class: "cluster-sample" },
      ...cluster.sample.map((cell) =>
        make("img", { src: cell.thumbnail, alt: text("Cell {id}", { id: cell.id }), width: 44,
                      height: 44, loading: "lazy", decoding: "async" }))),
    make("p", { class: "faint",
      text: plural("{n} cell", "{n} cells", cluster.size) + labelled +
        (cluster.class && cluster.name ? ` · ${cluster.class.name}` : "") }),
  );
}

function show(now) {
  found = now;
  const { run, clusters } = found;
  showJob(found.job, byId("make-bar"), byId("make-stage"));
  byId("make-panel").open ||= !run || found.job?.state === "working";
  byId("cluster-tools").hidden = !run;
  byId("clusters").replaceChildren(...clusters.map(card));
  byId("summary").textContent = run
    ? [
        plural("{n} cluster", "{n} clusters", found.total),
        plural("{n} named", "{n} named", found.named),
        plural("{n} cell in none", "{n} cells in none", found.outside),
        run.dataset,
      ].filter(Boolean).join(" · ")
    : text("no clusters yet");
  if (!run) {
    return;
  }
  const address = (page) => `?run=${run.id}&page=${page}`;
  byId("back").hidden = found.page <= 1;
  byId("back").href = address(found.page - 1);
  byId("on").hidden = found.page >= found.pages;
  byId("on").href = address(found.page + 1);
  byId("page-at").textContent = text("{page} of {pages}", { page: found.page, pages: found.pages });
}

async function refresh() {
  const page = new URLSearchParams(location.search).get("page") ?? 1;
  const run = found.run ? `run=${found.run.id}&` : "";
  show(await get(`/explore/clusters?${run}page=${page}`));
}

function followMaking() {
  return attempt(async () => {
    const after = await follow(() => get("/explore/clusters"), show);
    if (after.job?.state === "done") {
      history.replaceState(null, "", location.pathname);
      byId("make-panel").open = false;
    }
  });
}

/** The size is a least for one method and a mean for the other: the field says which. */
function tellSize() {
  const [chosen] = byId("make-method").selectedOptions;
  byId("size-label").textContent = chosen.dataset.label;
  byId("size-means").textContent = chosen.dataset.means;
}

byId("make-method").addEventListener("change", tellSize);
tellSize();

byId("make").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    show(await post("/explore/clusters", {
      dataset: byId("make-dataset").value || null,
      method: byId("make-method").value || null,
      size: Number(byId("make-size").value),
    }));
    await followMaking();
  });
});

byId("merge").addEventListener("click", () =>
  attempt(async () => {
    await post("/explore/clusters/merge", { clusters: [...ticked] });
    ticked.clear();
    byId("merge").disabled = true;
    await refresh();
  }));

for (const id of ["undo", "undo-one"]) {
  byId(id).addEventListener("click", () =>
    attempt(async () => {
      await post(`/explore/clusterings/${found.run.id}/undo`);
      await refresh();
      if (id === "undo-one") {
        await route();
      }
    }));
}

// Which view is open -----------------------------------------------------------------------------------

const one = new ClusterView(start.classes, attempt, nameOf, refresh);
const spread = new SpreadView(start.spread, attempt);

new ClusterKeys({
  classes: start.classes,
  list: () => found.clusters,
  one,
  attempt,
  named: async (id) => {
    await refresh();
    if (byId("one-view").hidden) {
      document.querySelector(`[data-cluster="${id}"] a`)?.focus();
    } else {
      await one.refresh();
    }
  },
});

async function route() {
  const [, kind, which] = /^#(cluster|spread)-(.+)$/.exec(location.hash) ?? [];
  byId("list-view").hidden = Boolean(kind);
  byId("one-view").hidden = kind !== "cluster";
  byId("spread-view").hidden = kind !== "spread";
  byId("problem").hidden = true;
  if (kind === "cluster") {
    await attempt(() => one.open(Number(which)));
  } else if (kind === "spread") {
    await attempt(() => spread.open(decodeURIComponent(which)));
  } else {
    await attempt(refresh);
  }
}

addEventListener("hashchange", route);
show(found);
if (found.job?.state === "working") {
  followMaking();
}
if (location.hash.length > 1) {
  route();
}
drawn();
document.body.dataset.ready = "clusters";
