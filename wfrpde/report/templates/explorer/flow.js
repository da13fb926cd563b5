/* A flow and its companions: densities side by side at a time that a slider chooses, and curves. */

views.flow = async (host, data) => {
  const { dim, times, flows, curves } = data;
  const state = { k: times.length - 1, log: false, view: 0, curve: curves.length > 1 ? String(data.curve) : null };
  const shades = ramp(data.colours);
  for (const view of data.views) {
    view.target = (await unpacked(view.target))[0];
    for (const { label } of flows) view.flows[label] = await unpacked(view.flows[label]);
  }

  const slider = make("input", {
    type: "range", min: 0, max: times.length - 1, step: 1, value: state.k, id: "explorer-time",
    "aria-label": "flow time", oninput: () => show(Number(slider.value)),
  });
  const clock = make("output", { for: "explorer-time", class: "clock" });
  const play = make("button", { type: "button", onclick: () => (playing ? stop() : start()) }, "▶ Play");
  const picker = choices("Scale", [["linear", "linear"], ["log", "logarithmic"]], "linear", (scale) => {
    state.log = scale === "log";
    fresh();
  });
  const bar = make("div", { class: "bar" }, play, make("div", { class: "time" }, slider, clock), picker);
  if (data.views.length > 1) {
    const options = data.views.map((view, i) => [String(i), view.names.join(", ")]);
    bar.append(choices("Axes", options, "0", (i) => ((state.view = Number(i)), fresh())));
  }
  const maps = make("div", { class: "panels densities" });
  const legend = make("p", { class: "legend" });
  const plots = make("div", { class: "panels curves" });
  const table = make("div", { class: "scroll" });
  host.append(bar, maps, legend, plots, table);

  let playing = 0;
  function start() {
    if (state.k === times.length - 1) show(0);
    play.textContent = "■ Stop";
    playing = setInterval(() => (state.k + 1 < times.length ? show(state.k + 1) : stop()), 900);
  }
  function stop() {
    clearInterval(playing);
    playing = 0;
    play.textContent = "▶ Play";
  }

  /* --- densities --- */

  const highest = (values) => values.reduce((best, v) => (v > best ? v : best), -Infinity);
  const lowest = (values) => values.reduce((best, v) => (v < best ? v : best), Infinity);
  const bare = data.views.some((view) => view.target.some(Number.isNaN));
  const current = () => data.views[state.view];
  const floor = () => current().top - 0.999 * data.kept; // what lies below was not kept
  const inLog = (values) => (state.log ? values : values.map((value) => 10 ** value));

  function probed(x, y) {
    const view = current();
    const [j, i] = [nearest(view.axes[0], x), dim > 1 ? nearest(view.axes[1], y) : 0];
    const at = i * view.axes[0].length + j;
    const place = view.names.map((name, n) => `${name} = ${written(view.axes[n][n ? i : j], 4)}`);
    const value = (values) =>
      Number.isNaN(values[at]) ? "outside the mesh" : values[at] < floor() ? `< ${written(10 ** floor(), 1)}` : written(10 ** values[at]);
    return {
      x: view.axes[0][j],
      y: dim > 1 ? view.axes[1][i] : undefined,
      lines: [
        place.join(", "),
        ...flows.map(({ label, colour }) => ({ text: `ρ ${label} = ${value(view.flows[label][state.k])}`, colour })),
        { text: `${data.goal.symbol} = ${value(view.target)}`, colour: "#777777" },
        data.known[state.k] ? `ρ is known to ${data.known[state.k]} (relative L²)` : "",
      ].filter(Boolean),
    };
  }

  function lineSpec(flow) {
    const view = current();
    const x = view.axes[0];
    const every = flows.flatMap(({ label }) => view.flows[label]);
    const high = Math.max(...[...every, view.target].map(highest));
    const low = Math.min(...[...every, view.target].map(lowest));
    const range = state.log
      ? { low: low + (low > floor() ? -0.02 : 0.02) * (high - low), high: high + 0.05 * (high - low) }
      : { low: 0, high: 1.05 * 10 ** high };
    const curve = (values) => Array.from(inLog(values), (value, i) => [x[i], value]);
    const grey = "var(--target)";
    return {
      title: flow.label, colour: flow.colour, height: 260, probe: probed,
      x: { label: view.names[0], low: x[0], high: x.at(-1) },
      y: { label: "density ρ", log: state.log, ...range },
      layers: () => [
        state.log
          ? { kind: "line", points: curve(view.target), colour: grey, width: 5, opacity: 0.35 }
          : { kind: "area", points: curve(view.target), colour: grey },
        { kind: "line", points: curve(view.flows[flow.label][0]), colour: flow.colour, width: 1, dashed: true, opacity: 0.75 },
        { kind: "line", points: curve(view.flows[flow.label][state.k]), colour: flow.colour, width: 2.2 },
      ],
    };
  }

  function mapSpec(flow) {
    const view = current();
    const [x, y] = view.axes;
    const shape = (y.at(-1) - y[0]) / (x.at(-1) - x[0]);
    return {
      title: flow.label, colour: flow.colour, probe: probed,
      ratio: shape >= 0.3 && shape <= 3 ? shape : 1,
      x: { label: view.names[0], low: x[0], high: x.at(-1) },
      y: { label: view.names[1], low: y[0], high: y.at(-1) },
      layers: () => {
        const [low, high] = limits();
        return {
          rows: y.length, columns: x.length, values: inLog(view.flows[flow.label][state.k]), low, high,
          colours: shades, contours: [{ values: view.target, levels: view.levels, colour: "#E69F00" }],
        };
      },
    };
  }

  /* One scale for all flows and times. On the linear one the target is half dark; what is more than
     twice its highest density is as dark as that. */
  function limits() {
    const view = current();
    if (state.log) return [view.top - data.shown, view.top];
    return [0, 10 ** Math.min(view.top, Math.log10(2) + highest(view.target))];
  }

  function tell() {
    if (dim === 1) {
      legend.textContent = `Grey: ${data.goal.words}. Dashed: the start. All panels have the same scale.`;
      return;
    }
    const [low, high] = limits().map((value) => (state.log ? written(10 ** value, 1) : written(value, 2)));
    const strip = make("canvas", { class: "strip", width: 256, height: 1, "aria-hidden": "true" });
    const image = new ImageData(256, 1);
    shades.forEach((colour, i) => image.data.set([...colour, 255], 4 * i));
    strip.getContext("2d").putImageData(image, 0, 0);
    const where = data.views.length > 1 ? "marginal density ρ" : "density ρ";
    legend.replaceChildren(`${where}: ${low} `, strip, ` ${high} ${state.log ? "" : "and more"}, the same in all panels. Orange: where ${data.goal.mass} has 90 % of its mass.${bare ? " Grey: outside the mesh." : ""}`);
  }

  /* --- curves --- */

  function curveSpec(curve) {
    const all = curve.series.flatMap((one) => one.points);
    const positive = [...all.map((p) => p.y), ...curve.series.flatMap((one) => (one.path ?? []).map((p) => p[1]))].filter((y) => y > 0);
    const floor = curve.floor ?? 1e-18 * Math.max(...positive);
    const log = curve.log && positive.length > 0;
    const height = (y) => (log ? (y >= floor ? Math.log10(y) : NaN) : y);
    const goal = curve.goal === null || (log && curve.goal < floor) ? [] : [curve.goal];
    const values = [...(log ? positive : all.map((p) => p.y)).map(height).filter(Number.isFinite), ...goal.map(height)];
    let [low, high] = [Math.min(...values, ...(log ? [] : [0])), Math.max(...values)];
    if (low === high) high = low + 1;
    const room = 0.07 * (high - low);
    const snaps = [...new Set(all.map((p) => p.x))].sort((a, b) => a - b);
    const end = snaps.at(-1) || 1;
    const dot = (p) => {
      const bar = Number.isFinite(p.error) ? [height(log ? Math.max(p.y - p.error, 1e-9 * p.y) : p.y - p.error), height(p.y + p.error)] : [];
      return [p.x, height(p.y), ...bar];
    };
    return {
      title: curve.title, height: 230, snaps, pick: (t) => show(nearest(times, t)),
      x: { label: "flow time t", low: -0.02 * end, high: 1.02 * end },
      y: { label: curve.label, log, low: low - (log || low < 0 ? room : 0), high: high + room },
      layers: () => [
        { kind: "mark", at: times[state.k] },
        ...goal.map((y) => ({ kind: "level", at: height(y), colour: "var(--target)" })),
        ...curve.series.flatMap(({ colour, points, path }) => [
          path?.length
            ? { kind: "line", points: path.map(([x, y]) => [x, height(y)]), colour, width: 1.8 }
            : { kind: "line", points: points.map((p) => [p.x, height(p.y)]), colour, width: 1, dashed: true },
          { kind: "dots", points: points.map(dot).filter(([, y]) => Number.isFinite(y)), colour },
        ]),
      ],
      probe: (x) => {
        const at = snaps[nearest(snaps, x)];
        const lines = curve.series.flatMap(({ label, colour, points }) =>
          points.filter((p) => p.x === at).map((p) => ({ text: `${label}: ${p.text}`, colour, name: p.name })),
        );
        const target = curve.goal === null ? [] : [{ text: `target: ${written(curve.goal, 4)}`, colour: "#777777" }];
        return { x: at, lines: [`t = ${lines[0].name}`, ...lines, ...target] };
      },
    };
  }

  /* --- the numbers at the time that is shown --- */

  function numbers() {
    const head = make("tr", {}, make("th", { scope: "col" }, `at t = ${data.time_texts[state.k]}`), ...curves.map((c) => make("th", { scope: "col" }, c.title)));
    const told = flows.filter(({ label }) => curves.some((curve) => curve.series.some((one) => one.label === label)));
    const rows = told.map(({ label, colour }) =>
      make("tr", {}, make("th", { scope: "row" }, coloured(label, colour)), ...curves.map((curve) => {
        const own = curve.series.find((one) => one.label === label);
        const point = own?.points.find((p) => Math.abs(p.x - times[state.k]) <= 1e-12 * Math.max(1, p.x));
        return make("td", {}, point?.text ?? "–");
      })),
    );
    if (curves.some((curve) => curve.goal !== null))
      rows.push(make("tr", {}, make("th", { scope: "row" }, coloured("target", "#777777")), ...curves.map((c) => make("td", {}, c.goal === null ? "" : written(c.goal, 4)))));
    table.replaceChildren(make("table", { id: "explorer-numbers" }, make("thead", {}, head), make("tbody", {}, ...rows)));
  }

  /* --- all together --- */

  let panels = [];
  let graphs = [];

  function fresh() {
    maps.replaceChildren();
    panels = flows.map((flow) => (dim === 1 ? new Lines(maps, lineSpec(flow)) : new Field(maps, mapSpec(flow))));
    panels.forEach((panel) => panel.draw());
    tell();
  }

  const graph = make("div");
  function masses() {
    graph.replaceChildren();
    graphs = [graphs[0], new Lines(graph, curveSpec(curves[Number(state.curve)]))];
    graphs[1].draw();
  }

  function show(k) {
    state.k = k;
    slider.value = k;
    clock.textContent = `t = ${data.time_texts[k]}`;
    slider.setAttribute("aria-valuetext", clock.textContent);
    [...panels, ...graphs].forEach((panel) => (panel.content(), panel.probe(null)));
    tell();
    numbers();
  }

  fresh();
  graphs = [new Lines(plots, curveSpec(curves[0]))];
  graphs[0].draw();
  if (state.curve) {
    const cell = make("div", {}, graph);
    if (curves.length > 2)
      cell.append(choices("Mode", curves.slice(1).map((c, i) => [String(i + 1), c.short]), state.curve, (i) => ((state.curve = i), masses())));
    plots.append(cell);
    masses();
  }
  show(state.k);
};
