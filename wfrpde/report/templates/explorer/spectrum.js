/* A spectrum: the rates as points that are picked, and the mode of the one that is. */

views.spectrum = async (host, data) => {
  const { rates, fields, axes, names } = data;
  for (const field of fields) field.values = (await unpacked(field.packed))[0];
  const state = { field: fields[0] };
  const level = data.level && (await unpacked(data.level))[0];
  const shades = { signed: ramp(data.signed), plain: ramp(data.plain) };

  const picker = choices("Show", fields.map((field, i) => [String(i), field.short]), "0", (i) => show(Number(i)));
  const words = make("p", { class: "words", role: "status" });
  const panels = make("div", { class: "panels curves" });
  host.append(make("div", { class: "bar" }, picker), words, panels);

  /* --- rates --- */

  const log = rates.some((rate) => rate.y > 0) && data.log;
  const height = (y) => (log ? (y > 0 ? Math.log10(y) : NaN) : y);
  const heights = rates.map((rate) => height(rate.y)).filter(Number.isFinite);
  const [low, high] = [log ? Math.min(...heights) : 0, Math.max(...heights)];
  const room = 0.08 * (high - low || 1);
  const ladder = new Lines(panels, {
    title: "Rates", height: 300,
    x: { label: "mode k", low: rates[0].x - 0.5, high: rates.at(-1).x + 0.5 },
    y: { label: data.rate_label, log, low: low - (log ? room : 0.3 * room), high: high + room },
    snaps: rates.map((rate) => rate.x),
    pick: (k) => {
      const found = fields.findIndex((field) => field.mode === k);
      if (found >= 0) picker.querySelectorAll("input")[found].click();
    },
    probe: (x) => {
      const rate = rates[nearest(rates.map((one) => one.x), x)];
      return { x: rate.x, lines: [`λ${rate.name} = ${rate.text}`, rate.time] };
    },
    layers: () => [
      { kind: "dots", colour: "#0072B2", size: 4, hollow: true, points: rates.filter((r) => r.x !== state.field.mode).map(bar) },
      { kind: "dots", colour: "#D55E00", size: 6, points: rates.filter((r) => r.x === state.field.mode).map(bar) },
    ].map((layer) => ({ ...layer, points: layer.points.filter(([, y]) => Number.isFinite(y)) })),
  });

  function bar({ x, y, error }) {
    return [x, height(y), ...(Number.isFinite(error) ? [height(Math.max(y - error, log ? 1e-9 * y : -Infinity)), height(y + error)] : [])];
  }

  /* --- the field --- */

  const place = make("div");
  panels.append(place);

  function probed(x, y) {
    const [columns, pair] = [state.field.axes[0].length, state.field.axes.length > 1];
    const [j, i] = [nearest(state.field.axes[0], x), pair ? nearest(state.field.axes[1], y) : 0];
    const value = state.field.values[i * columns + j];
    const where = state.field.names.map((name, n) => `${name} = ${written(state.field.axes[n][n ? i : j], 4)}`);
    return {
      x: state.field.axes[0][j],
      y: pair ? state.field.axes[1][i] : undefined,
      lines: [where.join(", "), `${state.field.label}: ${Number.isNaN(value) ? "outside the mesh" : written(value, 3)}`],
    };
  }

  function panel() {
    const field = state.field;
    const [x, y] = field.axes;
    place.replaceChildren();
    const along = { label: field.names[0], low: x[0], high: x.at(-1) };
    if (!y) {
      const floor = field.signed ? -1.08 : -0.04;
      return new Lines(place, {
        title: field.title, height: 300, probe: probed, x: along,
        y: { label: field.label, low: floor, high: 1.08 },
        layers: () => [
          { kind: "area", points: Array.from(level, (v, i) => [data.axes[0][i], v]), colour: "var(--target)" },
          { kind: "level", at: 0, colour: "var(--target)" },
          { kind: "line", points: Array.from(field.values, (v, i) => [x[i], v]), colour: "#0072B2", width: 2.2 },
        ],
      });
    }
    const shape = (y.at(-1) - y[0]) / (x.at(-1) - x[0]);
    return new Field(place, {
      title: field.title, probe: probed, ratio: shape >= 0.3 && shape <= 3 ? shape : 1, x: along,
      y: { label: field.names[1], low: y[0], high: y.at(-1) },
      layers: () => ({
        rows: y.length, columns: x.length, values: field.values, low: field.signed ? -1 : 0, high: 1,
        colours: field.signed ? shades.signed : shades.plain,
        contours: level ? [{ values: level, levels: data.contours, colour: field.signed ? "#333333aa" : "#E69F00" }] : [],
      }),
    });
  }

  function show(i) {
    state.field = fields[i];
    words.textContent = state.field.words;
    ladder.draw();
    panel().draw();
  }

  show(0);
};
