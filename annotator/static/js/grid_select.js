// Which items of a grid are selected, and the pointer that draws a frame around some.

/** The ids selected. `anchor` is where a range begins: the item last touched alone. */
export class Selection {
  constructor(changed) {
    this.ids = new Set();
    this.anchor = 0;
    this.changed = changed;
  }

  replace(ids) {
    this.ids = new Set(ids);
    this.changed();
  }

  toggle(id) {
    this.ids.delete(id) || this.ids.add(id);
    this.changed();
  }

  /** Give all of `ids` the state that the anchor has, as a spreadsheet does. */
  range(ids, selected = true) {
    ids.forEach((id) => (selected ? this.ids.add(id) : this.ids.delete(id)));
    this.changed();
  }
}

const FAR = 6; // pixels a pointer moves before a press becomes a frame
const EDGE = 40; // pixels from the edge of the view where a frame scrolls it

/**
 * Draw a frame with the mouse or a pen over `host` and tell which part it covers. A finger scrolls.
 * `covered({left, top, right, bottom}, finished)` gets pixels relative to `host`.
 */
export function frame(host, covered) {
  const box = document.createElement("div");
  box.className = "grid-frame";
  let from = null;
  let last = null;
  let moved = false;

  const place = (event) => {
    const rect = host.getBoundingClientRect();
    return { x: event.clientX - rect.left, y: event.clientY - rect.top };
  };
  const draw = (event) => {
    const to = place(event);
    const area = {
      left: Math.min(from.x, to.x),
      top: Math.min(from.y, to.y),
      right: Math.max(from.x, to.x),
      bottom: Math.max(from.y, to.y),
    };
    box.style.transform = `translate(${area.left}px, ${area.top}px)`;
    box.style.width = `${area.right - area.left}px`;
    box.style.height = `${area.bottom - area.top}px`;
    return area;
  };
  const scroll = () => {
    if (!from || !moved) {
      return;
    }
    const by = last.clientY < EDGE ? -12 : last.clientY > innerHeight - EDGE ? 12 : 0;
    if (by) {
      scrollBy(0, by);
      covered(draw(last), false);
    }
    requestAnimationFrame(scroll);
  };
  const stop = () => {
    from = null;
    box.remove();
  };

  host.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.pointerType !== "touch") {
      from = place(event);
      moved = false;
    }
  });
  addEventListener("pointermove", (event) => {
    if (!from) {
      return;
    }
    const to = place(event);
    if (!moved && Math.hypot(to.x - from.x, to.y - from.y) > FAR) {
      moved = true;
      host.append(box);
      requestAnimationFrame(scroll);
    }
    last = event;
    if (moved) {
      covered(draw(event), false);
    }
  });
  addEventListener("pointerup", (event) => {
    if (from && moved) {
      covered(draw(event), true);
      // The click that ends a frame is none: it would undo the frame's work.
      const swallow = (click) => {
        click.preventDefault();
        click.stopPropagation();
      };
      addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => removeEventListener("click", swallow, { capture: true }));
    }
    stop();
  });
  addEventListener("pointercancel", stop);
  host.addEventListener("dragstart", (event) => event.preventDefault());
}
