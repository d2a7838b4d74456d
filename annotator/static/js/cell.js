// A cell's own page: its picture at scale, and how it is shown.

import { Adjust } from "./adjust.js";
import { keepLevel } from "./scale.js";

new Adjust();
keepLevel();

// Come from a picture of which the scale is unknown: here it is set.
const size = document.getElementById("pixel-size");
if (size && window.location.hash === "#pixel-size") {
  size.open = true;
  document.getElementById("micrometres").focus();
}

// A model that does not say how it looks at a picture has nothing to show here.
const seen = document.getElementById("seen-picture");
const hide = () => {
  seen.closest("figure").hidden = true;
};
if (seen) {
  seen.addEventListener("error", hide);
  if (seen.complete && !seen.naturalWidth) {
    hide();
  }
}
