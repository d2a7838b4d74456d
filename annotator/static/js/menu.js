// The button that opens the list of rooms where they do not fit in a row. A plain script in the
// head: the page is laid out for it before the first paint, and without scripts the rooms show.
"use strict";

(() => {
  document.documentElement.classList.add("scripted");

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("menu");
    const rooms = document.getElementById("rooms");
    if (!button || !rooms) {
      return;
    }
    const isOpen = () => button.getAttribute("aria-expanded") === "true";
    const show = (open) => button.setAttribute("aria-expanded", String(open));

    button.addEventListener("click", () => {
      show(!isOpen());
      if (isOpen()) {
        rooms.querySelector("a[aria-current]")?.focus();
      }
    });
    document.addEventListener(
      "keydown",
      (event) => {
        if (event.key === "Escape" && isOpen()) {
          event.stopPropagation();
          show(false);
          button.focus();
        }
      },
      true,
    );
    document.addEventListener("click", (event) => {
      if (isOpen() && !button.contains(event.target) && !rooms.contains(event.target)) {
        show(false);
      }
    });
    rooms.addEventListener("focusout", (event) => {
      if (isOpen() && event.relatedTarget && !rooms.contains(event.relatedTarget)
          && event.relatedTarget !== button) {
        show(false);
      }
    });
  });
})();
