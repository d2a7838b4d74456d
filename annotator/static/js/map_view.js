// Points on a canvas by WebGL, with pan and zoom.
//
// The points stand in random order, so that the first of them are a fair sample: while the map
// moves, only as many are drawn as keep it smooth, and all of them once it rests.

import * as twgl from "../vendor/twgl/twgl-full.module.js";

const VERTEX = `#version 300 es
in vec2 place;
in vec4 colour;
in float shape;
in float state;
uniform vec2 centre;
uniform vec2 scale;
uniform float size;
out vec4 ink;
flat out float kind;
flat out float chosen;
void main() {
  chosen = state > 1.5 ? 1.0 : 0.0;
  ink = colour;
  kind = shape;
  gl_Position = state < 0.5 ? vec4(2.0, 2.0, 2.0, 1.0) : vec4((place - centre) * scale, 0.0, 1.0);
  gl_PointSize = state < 0.5 ? 0.0 : size + 3.0 * chosen;
}`;

// Shapes in the order of annotator/explore/maps.py; each covers about the same area.
const FRAGMENT = `#version 300 es
precision highp float;
in vec4 ink;
flat in float kind;
flat in float chosen;
uniform vec4 rim;
uniform float lift;
uniform float size;
out vec4 paint;
void main() {
  vec2 at = gl_PointCoord * 2.0 - 1.0;
  if (chosen > 0.5) {
    at *= (size + 3.0) / size;
    if (length(at) > 1.0 && length(at) < (size + 3.0) / size) { paint = rim; return; }
  }
  vec2 side = abs(at);
  float far = length(at);
  bool inside = far < 1.0;
  if (size > 5.5) {
    int shape = int(kind + 0.5);
    if (shape == 1) inside = max(side.x, side.y) < 0.85;
    else if (shape == 2) inside = at.y < 0.8 && side.x < (at.y + 1.0) * 0.55;
    else if (shape == 3) inside = side.x + side.y < 1.0;
    else if (shape == 4) inside = abs(side.x - side.y) < 0.4 && far < 1.15;
    else if (shape == 5) inside = min(side.x, side.y) < 0.3 && max(side.x, side.y) < 1.0;
    else if (shape == 6) inside = far < 1.0 && far > 0.45;
    else if (shape == 7) inside = side.x * side.y < 0.12 && far < 1.0;
  }
  if (!inside) discard;
  paint = vec4(mix(ink.rgb, rim.rgb, lift), ink.a);
}`;

const REST = 140; // milliseconds without movement after which all points are drawn
const SLOW = 26;
const FAST = 14;
const FEWEST = 6_000;
const NEAREST = 400;

export class MapView {
  /** `moved()` is called whenever another part is shown. Throws where there is no WebGL 2. */
  constructor(canvas, moved) {
    this.canvas = canvas;
    this.moved = moved;
    this.gl = canvas.getContext("webgl2", { antialias: false, depth: false, alpha: true });
    if (!this.gl) {
      throw new Error("no WebGL 2");
    }
    twgl.setAttributePrefix("");
    this.program = twgl.createProgramInfo(this.gl, [VERTEX, FRAGMENT]);
    this.centre = [0.5, 0.5];
    this.zoom = 1;
    this.count = 0;
    this.budget = Infinity;
    this.rim = [0, 0, 0, 1];
    this.lift = 0; // towards the rim's colour, so that dark classes show on dark ground
    new ResizeObserver(() => this.resized()).observe(canvas);
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.restore());
  }

  /** Take the points; `colours` 4 N bytes, `shapes` and `states` N bytes (0 hidden, 1, 2 chosen). */
  set(places, colours, shapes, states) {
    this.given = { places, colours, shapes, states };
    this.count = places.length / 2;
    this.buffers = twgl.createBufferInfoFromArrays(this.gl, {
      place: { numComponents: 2, data: places },
      colour: { numComponents: 4, data: colours, normalize: true },
      shape: { numComponents: 1, data: shapes, type: this.gl.UNSIGNED_BYTE, normalize: false },
      state: { numComponents: 1, data: states, type: this.gl.UNSIGNED_BYTE, normalize: false },
    });
    this.budget = this.count;
    this.draw();
  }

  /** Show other colours, shapes or states of the same points. */
  update(names) {
    const own = { colours: "colour", shapes: "shape", states: "state" };
    for (const name of names) {
      twgl.setAttribInfoBufferFromArray(this.gl, this.buffers.attribs[own[name]], this.given[name]);
    }
    this.draw();
  }

  restore() {
    this.program = twgl.createProgramInfo(this.gl, [VERTEX, FRAGMENT]);
    if (this.given) {
      this.set(...["places", "colours", "shapes", "states"].map((name) => this.given[name]));
    }
  }

  // Places --------------------------------------------------------------------------------------

  /** Pixels of the page for one unit of the map. */
  get unit() {
    return this.zoom * 0.94 * Math.min(this.canvas.clientWidth, this.canvas.clientHeight);
  }

  toMap(x, y) {
    return [
      this.centre[0] + (x - this.canvas.clientWidth / 2) / this.unit,
      this.centre[1] - (y - this.canvas.clientHeight / 2) / this.unit,
    ];
  }

  toPage(x, y) {
    return [
      (x - this.centre[0]) * this.unit + this.canvas.clientWidth / 2,
      (this.centre[1] - y) * this.unit + this.canvas.clientHeight / 2,
    ];
  }

  pan(dx, dy) {
    this.centre[0] -= dx / this.unit;
    this.centre[1] += dy / this.unit;
    this.move();
  }

  /** Zoom by a factor; the place under page pixel (x, y) stays where it is. */
  zoomBy(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const before = this.toMap(x, y);
    this.zoom = Math.min(NEAREST, Math.max(0.5, this.zoom * factor));
    const after = this.toMap(x, y);
    this.centre[0] += before[0] - after[0];
    this.centre[1] += before[1] - after[1];
    this.move();
  }

  whole() {
    this.centre = [0.5, 0.5];
    this.zoom = 1;
    this.move();
  }

  /** Bring a place of the map into view. */
  reveal(x, y) {
    const [px, py] = this.toPage(x, y);
    const { clientWidth: w, clientHeight: h } = this.canvas;
    if (px < 30 || py < 30 || px > w - 30 || py > h - 30) {
      this.centre = [x, y];
      this.move();
    }
  }

  /** Diameter of a point in page pixels: larger the nearer, so that shapes can be told. */
  get size() {
    const crowd = Math.max(2.2, Math.min(6, 420 / Math.sqrt(this.count || 1)));
    return Math.min(14, crowd * Math.sqrt(Math.max(1, this.zoom)));
  }

  // Drawing -------------------------------------------------------------------------------------

  resized() {
    this.draw();
    this.moved();
  }

  move() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.moving = false;
      this.last = 0;
      this.draw();
    }, REST);
    this.moving = true;
    this.draw();
    this.moved();
  }

  draw() {
    this.asked ??= requestAnimationFrame((now) => {
      this.asked = undefined;
      this.paint(now);
    });
  }

  /** How long the frames take says how many points the next may hold. */
  learn(now) {
    const took = this.last ? now - this.last : 0;
    this.last = now;
    if (took > SLOW && took < 1000) {
      this.budget = Math.max(FEWEST, Math.min(this.budget, this.count) * (took > 2 * SLOW ? 0.5 : 0.8));
    } else if (took && took < FAST) {
      this.budget = Math.min(this.count, this.budget * 1.15);
    }
  }

  paint(now) {
    const { gl, canvas } = this;
    const ratio = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.buffers || !width || !height) {
      return;
    }
    if (this.moving) {
      this.learn(now);
    }
    gl.useProgram(this.program.program);
    twgl.setBuffersAndAttributes(gl, this.program, this.buffers);
    twgl.setUniforms(this.program, {
      centre: this.centre,
      scale: [(2 * this.unit) / canvas.clientWidth, (2 * this.unit) / canvas.clientHeight],
      size: this.size * ratio,
      rim: this.rim,
      lift: this.lift,
    });
    const shown = this.moving ? Math.min(this.count, Math.round(this.budget)) : this.count;
    twgl.drawBufferInfo(gl, this.buffers, gl.POINTS, shown);
  }
}
