// The cells of a map as arrays, and questions of place: which lie inside a line, which is nearest.

const MAGIC = 0x504d4b43; // "CKMP", little-endian
const BUCKETS = 128;

/** The block of /api/v1/explore/map/points, see docs/map.md. Places are 0 to 1, y upwards. */
export class Points {
  constructor(buffer) {
    const head = new DataView(buffer);
    if (head.getUint32(0, true) !== MAGIC || head.getUint32(4, true) !== 1) {
      throw new Error("this is no map");
    }
    const n = head.getUint32(8, true);
    let at = 12;
    const take = (Kind, count) => {
      const found = new Kind(buffer, at, count);
      at += found.byteLength;
      return found;
    };
    this.count = n;
    this.ids = take(Uint32Array, n);
    this.places = take(Float32Array, 2 * n);
    this.of = { class: take(Uint8Array, n), dataset: take(Uint8Array, n) };
    this.novelty = take(Uint8Array, n);
    this.rowOf = new Map();
    this.ids.forEach((id, row) => this.rowOf.set(id, row));
    this.sort();
  }

  /** Novelty 0 to 1 of a row, null where it is not known. */
  noveltyOf(row) {
    return this.novelty[row] === 255 ? null : this.novelty[row] / 254;
  }

  // Rows by square of the map, so that the nearest is found without asking all.
  sort() {
    const square = new Uint16Array(this.count);
    const sizes = new Uint32Array(BUCKETS * BUCKETS + 1);
    const clip = (value) => Math.min(BUCKETS - 1, Math.max(0, Math.floor(value * BUCKETS)));
    for (let row = 0; row < this.count; row += 1) {
      square[row] = clip(this.places[2 * row + 1]) * BUCKETS + clip(this.places[2 * row]);
      sizes[square[row] + 1] += 1;
    }
    for (let i = 1; i < sizes.length; i += 1) {
      sizes[i] += sizes[i - 1];
    }
    this.starts = sizes.slice();
    this.sorted = new Uint32Array(this.count);
    for (let row = 0; row < this.count; row += 1) {
      this.sorted[sizes[square[row]]] = row;
      sizes[square[row]] += 1;
    }
  }

  /** Rows within `radius` of a place for which `shown(row)` holds, as [row, distance²]. */
  *within(x, y, radius, shown) {
    const clip = (value) => Math.min(BUCKETS - 1, Math.max(0, Math.floor(value * BUCKETS)));
    for (let v = clip(y - radius); v <= clip(y + radius); v += 1) {
      const from = this.starts[v * BUCKETS + clip(x - radius)];
      const to = this.starts[v * BUCKETS + clip(x + radius) + 1];
      for (let i = from; i < to; i += 1) {
        const row = this.sorted[i];
        const distance = (this.places[2 * row] - x) ** 2 + (this.places[2 * row + 1] - y) ** 2;
        if (distance <= radius * radius && shown(row)) {
          yield [row, distance];
        }
      }
    }
  }

  /** The row nearest to a place within `radius`, -1 without one. */
  nearest(x, y, radius, shown) {
    let best = -1;
    let least = Infinity;
    for (const [row, distance] of this.within(x, y, radius, shown)) {
      if (distance < least) {
        [best, least] = [row, distance];
      }
    }
    return best;
  }

  /** The rows inside a closed line of [x, y], by the even-odd rule. */
  inside(line, shown) {
    const xs = line.map(([x]) => x);
    const ys = line.map(([, y]) => y);
    const [left, right] = [Math.min(...xs), Math.max(...xs)];
    const [bottom, top] = [Math.min(...ys), Math.max(...ys)];
    const found = [];
    for (let row = 0; row < this.count; row += 1) {
      const x = this.places[2 * row];
      const y = this.places[2 * row + 1];
      if (x < left || x > right || y < bottom || y > top || !shown(row)) {
        continue;
      }
      let within = false;
      for (let i = 0, j = line.length - 1; i < line.length; j = i, i += 1) {
        const [xi, yi] = line[i];
        const [xj, yj] = line[j];
        if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) {
          within = !within;
        }
      }
      if (within) {
        found.push(row);
      }
    }
    return found;
  }
}
