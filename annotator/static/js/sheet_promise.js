// What may be said of all sheets accepted so far, and on what it rests.

import { make, thousands } from "./dom.js";
import { text } from "./language.js";

const share = (value) => `${(100 * value).toFixed(1)} %`;

/** Fill the list `host`; `slowed` is the note that sheets are small because much went unnoticed. */
export function showPromise(host, slowed, promise) {
  const row = (term, words) => make("div", {}, make("dt", { text: term }), make("dd", { text: words }));
  const rows = [row(text("Asked"), text("{target} right", { target: share(promise.target) }))];
  if (promise.labelled) {
    rows.push(
      row(text("Known so far"), text("at least {value}", { value: share(promise.precision) })),
      row(text("With confidence"), share(promise.confidence)),
      row(text("Labelled by sheets"), thousands(promise.labelled)),
      row(text("Of these not looked at"), thousands(promise.folded)),
      row(text("Taken out"), text("{n} of {all}",
        { n: thousands(promise.foreign), all: thousands(promise.looked_at) })),
      row(text("Checks failed"), text("{n} of {all}",
        { n: thousands(promise.failed), all: thousands(promise.checked) })),
      row(text("Your catch rate"), share(promise.catch_rate)),
    );
  } else {
    rows.push(row(text("Labelled by sheets"), text("none yet")));
  }
  if (promise.skipped) {
    rows.push(row(text("Checks skipped"), text("{n}, taken for failed until you name them",
      { n: thousands(promise.skipped) })));
  }
  if (promise.planted) {
    rows.push(row(text("Planted cells noticed"), text("{n} of {all}",
      { n: thousands(promise.noticed), all: thousands(promise.planted) })));
  }
  host.replaceChildren(...rows);
  slowed.hidden = !promise.slowed;
}
