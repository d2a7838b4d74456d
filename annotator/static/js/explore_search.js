// The search page: pictures dropped, pasted or chosen become examples; results become a sheet.

import { call, post } from "./api.js";
import { byId } from "./dom.js";
import { text } from "./language.js";

const drop = byId("drop");

function complain(error) {
  byId("problem").textContent = error.words ?? String(error);
  byId("problem").hidden = false;
  byId("drop-status").textContent = "";
}

/** The address of this search with one more condition. */
function also(name, value) {
  const given = new URLSearchParams(location.search);
  given.delete("page");
  given.append(name, value);
  return `${location.pathname}?${given}`;
}

async function take(file) {
  byId("problem").hidden = true;
  byId("drop-status").textContent = text("Reading the picture …");
  const form = new FormData();
  form.append("picture", file, file.name || "pasted");
  try {
    const kept = await post("/explore/examples", form);
    location.assign(also("picture", kept.id));
  } catch (error) {
    complain(error);
  }
}

const pictureIn = (list) => [...(list ?? [])].find((file) => file.type.startsWith("image/"));

for (const name of ["dragenter", "dragover"]) {
  addEventListener(name, (event) => {
    if (event.dataTransfer?.types.includes("Files")) {
      event.preventDefault();
      drop.classList.add("over");
    }
  });
}
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) {
    drop.classList.remove("over");
  }
});
addEventListener("drop", (event) => {
  const [file] = event.dataTransfer?.files ?? [];
  if (file) {
    event.preventDefault();
    drop.classList.remove("over");
    take(file);
  }
});
addEventListener("paste", (event) => {
  const file = pictureIn(event.clipboardData?.files);
  if (file) {
    event.preventDefault();
    take(file);
  }
});
byId("picture-file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) {
    take(file);
  }
});

byId("save")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await post(`/explore/searches${location.search}`, { name: byId("save-name").value.trim() });
    location.reload();
  } catch (error) {
    complain(error);
  }
});

byId("saved").addEventListener("click", async (event) => {
  const { forget } = event.target.dataset;
  if (!forget) {
    return;
  }
  try {
    await call("DELETE", `/explore/searches/${forget}`, {});
    event.target.closest("li").remove();
    byId("save-name")?.focus();
  } catch (error) {
    complain(error);
  }
});

byId("open-sheet")?.addEventListener("click", async () => {
  const ticked = [...document.querySelectorAll("#found input:checked")];
  try {
    const kept = await post("/explore/selections", {
      cells: ticked.map((tick) => Number(tick.dataset.tick)),
      origin: "search",
      title: byId("text")?.value.trim() ?? "",
      class: new URLSearchParams(location.search).get("class") || null,
    });
    location.assign(kept.sheet);
  } catch (error) {
    complain(error);
  }
});

byId("found")?.addEventListener("change", () => {
  byId("open-sheet").disabled = !document.querySelector("#found input:checked");
});
