/* A panel: axes around a plot of lines or a map, and a probe that follows pointer and arrow keys. */

const HIGHEST = 440;

class Panel {
  /* spec: {title, colour, x: {label, low, high, log, places (of its ticks)}, y: …, height, ratio (height over width),
     probe(x, y) -> {x, y, lines} or null, pick(x), snaps (places that arrow keys go to)}.
     Logarithmic axes are given in decimal exponents. */
  constructor(host, spec) {
    this.spec = spec;
    this.svg = drawn("svg", {
      tabindex: "0",
      role: "group",
      "aria-label": `${spec.title}. Arrow keys read values.`,
    });
    this.tip = make("output", { class: "tip", hidden: "" });
    this.canvas = spec.map ? make("canvas") : null;
    const title = make("figcaption", {}, spec.colour ? coloured(spec.title, spec.colour) : spec.title);
    this.box = make("div", { class: "box" }, ...(this.canvas ? [this.canvas] : []), this.svg, this.tip);
    this.figure = make("figure", { class: "panel" }, title, this.box);
    host.append(this.figure);
    this.svg.addEventListener("pointermove", (event) => this.#follow(event));
    this.svg.addEventListener("pointerleave", () => this.probe(null));
    this.svg.addEventListener("blur", () => this.probe(null));
    this.svg.addEventListener("click", () => this.at && spec.pick?.(this.at[0]));
    this.svg.addEventListener("keydown", (event) => this.#steer(event));
    new ResizeObserver(() => this.#resized()).observe(this.box);
  }

  #resized() {
    if (this.box.clientWidth !== this.width) this.draw();
  }

  /* Draw everything anew, for the present width. */
  draw() {
    const { x, y } = this.spec;
    this.width = this.box.clientWidth;
    if (!this.width) return;
    const labels = this.#ticks(y, (this.spec.height ?? 200) / 34);
    this.left = 26 + 6.4 * Math.max(...labels.map(({ text }) => text.length), 2);
    this.right = 10;
    this.inner = this.width - this.left - this.right;
    // a map keeps its shape, and leaves room beside it where it would be too high
    if (this.spec.ratio) this.inner = Math.min(this.inner, HIGHEST / this.spec.ratio);
    this.depth = this.spec.ratio ? this.inner * this.spec.ratio : (this.spec.height ?? 200) - 46;
    this.height = this.depth + 46;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.setAttribute("height", this.height);
    this.svg.replaceChildren();
    const axes = drawn("g", { class: "axes" });
    const base = 8 + this.depth;
    for (const { at, text } of this.#ticks(x, this.inner / 46)) {
      const place = this.px(at);
      if (!this.canvas) axes.append(this.#line(place, 8, place, base, "grid"));
      axes.append(this.#line(place, base, place, base + 4));
      axes.append(drawn("text", { x: place, y: base + 16, "text-anchor": "middle" }, text));
    }
    for (const { at, text } of labels) {
      const place = this.py(at);
      if (!this.canvas) axes.append(this.#line(this.left, place, this.left + this.inner, place, "grid"));
      axes.append(this.#line(this.left - 4, place, this.left, place));
      axes.append(drawn("text", { x: this.left - 7, y: place + 4, "text-anchor": "end" }, text));
    }
    axes.append(drawn("path", { class: "frame", d: `M${this.left} 8V${base}H${this.left + this.inner}` }));
    axes.append(
      drawn("text", { class: "name", x: this.left + this.inner / 2, y: base + 33, "text-anchor": "middle" }, x.label),
      drawn("text", { class: "name", transform: `translate(12 ${8 + this.depth / 2}) rotate(-90)`, "text-anchor": "middle" }, y.label),
    );
    const clip = `clip-${(Panel.count = (Panel.count ?? 0) + 1)}`;
    this.svg.append(
      drawn("clipPath", { id: clip }, drawn("rect", { x: this.left, y: 8, width: this.inner, height: this.depth })),
      axes,
    );
    this.inside = drawn("g", { "clip-path": `url(#${clip})` });
    this.cross = drawn("g", { class: "cross" });
    this.svg.append(this.inside, this.cross);
    if (this.canvas) {
      const { style } = this.canvas;
      [style.left, style.top] = [`${this.left}px`, "8px"];
      [style.width, style.height] = [`${this.inner}px`, `${this.depth}px`];
    }
    this.content();
  }

  content() {}

  #ticks({ low, high, log, places }, count) {
    if (places) return places;
    return log ? decades(low, high, count) : ticks(low, high, count);
  }

  #line(x1, y1, x2, y2, name = "tick") {
    return drawn("line", { x1, y1, x2, y2, class: name });
  }

  px(value) {
    const { low, high } = this.spec.x;
    return this.left + (this.inner * (value - low)) / (high - low);
  }

  py(value) {
    const { low, high } = this.spec.y;
    return 8 + this.depth * (1 - (value - low) / (high - low));
  }

  #follow(event) {
    const corner = this.svg.getBoundingClientRect();
    const { x, y } = this.spec;
    const right = (event.clientX - corner.left - this.left) / this.inner;
    const up = 1 - (event.clientY - corner.top - 8) / this.depth;
    const outside = right < -0.03 || right > 1.03 || up < -0.03 || up > 1.03;
    this.probe(outside ? null : [x.low + right * (x.high - x.low), y.low + up * (y.high - y.low)]);
  }

  #steer(event) {
    const { x, y, snaps, pick } = this.spec;
    const [right, up] =
      { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
    if (event.key === "Escape") this.probe(null);
    else if (event.key === "Enter" && this.at) pick?.(this.at[0]);
    else if (right !== undefined) {
      const [px, py] = this.at ?? [(x.low + x.high) / 2, (y.low + y.high) / 2];
      if (snaps) {
        const k = nearest(snaps, px) + (this.at ? right || up : 0);
        this.probe([snaps[Math.min(Math.max(k, 0), snaps.length - 1)], py]);
      } else {
        const clipped = (value, axis) => Math.min(Math.max(value, axis.low), axis.high);
        this.probe([
          clipped(px + (right * (x.high - x.low)) / 40, x),
          clipped(py + (up * (y.high - y.low)) / 40, y),
        ]);
      }
      event.preventDefault();
    }
  }

  /* Read the values at a place, or at none. */
  probe(place) {
    const found = place && this.spec.probe?.(...place);
    this.at = found ? [found.x, found.y ?? place[1]] : null;
    this.cross?.replaceChildren();
    this.tip.hidden = !found;
    if (!found) return;
    const [x, y] = [this.px(found.x), this.py(this.at[1])];
    this.cross.append(this.#line(x, 8, x, 8 + this.depth, ""));
    if (this.canvas) this.cross.append(this.#line(this.left, y, this.left + this.inner, y, ""));
    this.tip.replaceChildren(
      ...found.lines.map((line) => make("div", {}, ...(line.colour ? [coloured(line.text, line.colour)] : [line.text ?? line]))),
    );
    const room = this.tip.offsetWidth;
    const left = x > this.width / 2 ? x - room - 10 : x + 10;
    this.tip.style.left = `${Math.max(Math.min(left, this.width - room), 0)}px`;
  }
}

/* Index of the nearest number of an ascending or any other list. */
function nearest(list, value) {
  let best = 0;
  list.forEach((entry, i) => {
    if (Math.abs(entry - value) < Math.abs(list[best] - value)) best = i;
  });
  return best;
}

/* Lines, bands, dots with bars. */
class Lines extends Panel {
  /* spec.layers() -> [{kind: "line" | "area" | "band" | "dots" | "level" | "mark" | "stairs", …}] */
  content() {
    if (!this.inside) return;
    this.inside.replaceChildren();
    for (const layer of this.spec.layers()) this[layer.kind](layer);
  }

  line({ points, colour, width = 1.8, dashed, opacity }) {
    this.#path(this.#trace(points), { stroke: colour, "stroke-width": width, "stroke-dasharray": dashed ? "5 4" : null, opacity });
  }

  area({ points, colour, opacity = 0.25 }) {
    if (!points.length) return;
    const base = this.py(Math.max(this.spec.y.low, 0));
    const d = `${this.#trace(points)}L${this.px(points.at(-1)[0])} ${base}L${this.px(points[0][0])} ${base}Z`;
    this.#path(d, { fill: colour, "fill-opacity": opacity, stroke: "none" });
  }

  /* Between two curves over the same places. */
  band({ points, colour, opacity = 0.22 }) {
    if (!points.length) return;
    const upper = points.map(([x, , high]) => [x, high]);
    const lower = points.map(([x, low]) => [x, low]).reverse();
    this.#path(`${this.#trace(upper)}L${this.#trace(lower).slice(1)}Z`, { fill: colour, "fill-opacity": opacity, stroke: "none" });
  }

  /* points: [x, y, low, high] */
  dots({ points, colour, size = 3.2, hollow, opacity }) {
    const group = drawn("g", { opacity });
    for (const [x, y, low, high] of points) {
      const [cx, cy] = [this.px(x), this.py(y)];
      if (Number.isFinite(low))
        group.append(drawn("path", { d: `M${cx} ${this.py(low)}V${this.py(high)}`, stroke: colour, "stroke-width": 1.4 }));
      group.append(drawn("circle", { cx, cy, r: size, fill: hollow ? "var(--plot)" : colour, stroke: colour, "stroke-width": 1.4 }));
    }
    this.inside.append(group);
  }

  /* A horizontal line that a curve is to reach. */
  level({ at, colour }) {
    this.#path(`M${this.left} ${this.py(at)}h${this.inner}`, { stroke: colour, "stroke-width": 1.3, "stroke-dasharray": "1.5 3" });
  }

  /* The present time. */
  mark({ at }) {
    this.#path(`M${this.px(at)} 8v${this.depth}`, { class: "now" });
  }

  #trace(points) {
    let pen = "M";
    const parts = [];
    for (const [x, y] of points) {
      if (Number.isFinite(y)) parts.push(`${pen}${this.px(x).toFixed(2)} ${this.py(y).toFixed(2)}`);
      pen = Number.isFinite(y) ? "L" : "M";
    }
    return parts.join("");
  }

  #path(d, attributes) {
    if (d) this.inside.append(drawn("path", { d, fill: "none", "stroke-linejoin": "round", ...attributes }));
  }
}

/* A map of a field on a regular grid, with contours and dots on it. */
class Field extends Panel {
  constructor(host, spec) {
    super(host, { ...spec, map: true });
  }

  /* spec.layers() -> {rows, columns, values, low, high, colours, contours: [{values, levels,
     colour}], dots: {x, y, size, colour}} */
  content() {
    if (!this.inside) return;
    const { rows, columns, values, low, high, colours, contours = [], dots } = this.spec.layers();
    this.#paint(rows, columns, values, low, high, colours);
    this.inside.replaceChildren();
    for (const { values: heights, levels, colour } of contours)
      for (const level of levels) {
        const d = this.#contour(rows, columns, heights, level);
        this.inside.append(drawn("path", { d, fill: "none", stroke: colour, "stroke-width": 1.1 }));
      }
    if (!dots) return;
    const group = drawn("g", { fill: dots.colour, "fill-opacity": 0.55 });
    dots.x.forEach((x, i) =>
      group.append(drawn("circle", { cx: this.px(x).toFixed(1), cy: this.py(dots.y[i]).toFixed(1), r: dots.size[i].toFixed(2) })),
    );
    this.inside.append(group);
  }

  #paint(rows, columns, values, low, high, colours) {
    const small = new OffscreenCanvas(columns, rows);
    const image = new ImageData(columns, rows);
    for (let i = 0; i < values.length; i++) {
      const flipped = (rows - 1 - Math.floor(i / columns)) * columns + (i % columns);
      const share = (values[i] - low) / (high - low);
      const colour = Number.isNaN(share) ? [232, 232, 232] : colours[Math.round(255 * Math.min(Math.max(share, 0), 1))];
      image.data.set([...colour, 255], 4 * flipped);
    }
    small.getContext("2d").putImageData(image, 0, 0);
    const sharp = Math.min(devicePixelRatio, 2);
    [this.canvas.width, this.canvas.height] = [this.inner * sharp, this.depth * sharp].map(Math.round);
    const brush = this.canvas.getContext("2d");
    brush.imageSmoothingEnabled = true;
    brush.imageSmoothingQuality = "high";
    brush.drawImage(small, 0.5, 0.5, columns - 1, rows - 1, 0, 0, this.canvas.width, this.canvas.height);
  }

  /* Marching squares: the segments of one level as a path. */
  #contour(rows, columns, values, level) {
    const { x, y } = this.spec;
    const parts = [];
    const across = (i, j) => this.px(x.low + ((x.high - x.low) * j) / (columns - 1));
    const along = (i) => this.py(y.low + ((y.high - y.low) * i) / (rows - 1));
    for (let i = 0; i + 1 < rows; i++)
      for (let j = 0; j + 1 < columns; j++) {
        const corners = [[i, j], [i, j + 1], [i + 1, j + 1], [i + 1, j]];
        const heights = corners.map(([r, c]) => values[r * columns + c] - level);
        const ends = [];
        for (let k = 0; k < 4; k++) {
          const [a, b] = [heights[k], heights[(k + 1) % 4]];
          if (a > 0 === b > 0 || Number.isNaN(a + b)) continue;
          const share = a / (a - b);
          const [r, c] = [0, 1].map((n) => corners[k][n] + share * (corners[(k + 1) % 4][n] - corners[k][n]));
          ends.push(`${across(r, c).toFixed(1)} ${along(r).toFixed(1)}`);
        }
        for (let k = 0; k + 1 < ends.length; k += 2) parts.push(`M${ends[k]}L${ends[k + 1]}`);
      }
    return parts.join("");
  }
}
