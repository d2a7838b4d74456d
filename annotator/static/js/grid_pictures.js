// Pictures for the grid: fetched a few at a time, decoded off the main thread, the latest kept.

const KEPT = 480; // decoded pictures that stay in memory: some eight screens
const AT_ONCE = 6; // requests under way: what a browser allows one host

export class PictureStore {
  constructor() {
    this.kept = new Map(); // address -> ImageBitmap, least recently used first
    this.wanted = new Map(); // address -> {rank, canvases: Set, abort}
    this.running = 0;
  }

  /** The picture if it is decoded already, else null. */
  have(address) {
    const bitmap = this.kept.get(address);
    if (bitmap) {
      this.kept.delete(address);
      this.kept.set(address, bitmap);
    }
    return bitmap ?? null;
  }

  /** Ask for a picture and paint it on `canvas` when it is there. Low `rank` comes first. */
  want(address, rank, canvas = null) {
    let entry = this.wanted.get(address);
    if (!entry) {
      entry = { rank, canvases: new Set(), abort: null };
      this.wanted.set(address, entry);
    }
    entry.rank = Math.min(entry.rank, rank);
    if (canvas) {
      entry.canvases.add(canvas);
    }
    this.next();
  }

  /** Only these addresses are still of interest; what is under way for others is broken off. */
  keepOnly(addresses) {
    for (const [address, entry] of this.wanted) {
      if (!addresses.has(address)) {
        entry.abort?.abort();
        this.wanted.delete(address);
      }
    }
  }

  next() {
    while (this.running < AT_ONCE) {
      let best = null;
      for (const [address, entry] of this.wanted) {
        if (!entry.abort && (best === null || entry.rank < best.entry.rank)) {
          best = { address, entry };
        }
      }
      if (best === null) {
        return;
      }
      best.entry.abort = new AbortController();
      this.running += 1;
      this.load(best.address, best.entry).finally(() => {
        this.running -= 1;
        this.next();
      });
    }
  }

  async load(address, entry) {
    let bitmap = null;
    try {
      const answer = await fetch(address, { signal: entry.abort.signal });
      bitmap = await decoded(await answer.blob());
    } catch {
      // Broken off, or not to be decoded: the tile keeps its ground and its words.
    }
    if (this.wanted.get(address) === entry) {
      this.wanted.delete(address);
    }
    if (bitmap) {
      this.keep(address, bitmap);
      entry.canvases.forEach((canvas) => paint(canvas, bitmap));
    }
  }

  keep(address, bitmap) {
    this.kept.set(address, bitmap);
    for (const [old, gone] of this.kept) {
      if (this.kept.size <= KEPT) {
        break;
      }
      gone.close();
      this.kept.delete(old);
    }
  }
}

async function decoded(blob) {
  if (blob.type !== "image/svg+xml") {
    return createImageBitmap(blob);
  }
  // The stand-in for a missing picture is drawn by lines, which createImageBitmap does not take.
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(await blob.text())}`;
  await image.decode();
  return createImageBitmap(image);
}

/** Fit a picture as `object-fit: cover` would: its shorter side fills the square. */
export function paint(canvas, bitmap) {
  const side = Math.min(bitmap.width, bitmap.height);
  canvas.width = side;
  canvas.height = side;
  const [x, y] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
  canvas.getContext("2d").drawImage(bitmap, x, y, side, side, 0, 0, side, side);
  canvas.classList.add("tile-drawn");
}
