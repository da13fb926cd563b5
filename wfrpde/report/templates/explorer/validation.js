/* A validation: a verdict for each sampler, observable and time; the one that is chosen shows the
   path of its observable, and the particles over the density that the sampler claims. */

views.validation = async (host, data) => {
  const { samplers, observables, times, rows } = data;
  const marks = { consistent: "✓", biased: "✗", undecided: "?" };
  const cell = (s, o, t) => rows.find((row) => row.sampler === s && row.observable === o && row.time === t);
  const pictures = data.pictures;
  for (const picture of pictures) picture.values = (await unpacked(picture.packed))[0];
  for (const cloud of data.clouds) {
    [cloud.x, cloud.weights] = [await unpacked(cloud.x), (await unpacked(cloud.weights))[0]];
    cloud.x = cloud.x.map((one) => Array.from(one));
  }
  /* At first the clearest bias, or else the row that is nearest to one. */
  const clarity = (row) => (row.verdict === "biased" ? 1e3 : 0) + Math.abs(row.mean - row.reference) / (row.high - row.low || Infinity);
  let chosen = rows.reduce((best, row) => (clarity(row) > clarity(best) ? row : best));

  /* --- the verdicts --- */

  const button = new Map();
  const order = times.map((time) => time.text).join(", ");
  const caption = make("p", { class: "legend", id: "verdicts-caption" }, `Choose a verdict to see its path. From left to right: ${order}.`);
  const table = make("table", { class: "verdicts", "aria-labelledby": "verdicts-caption" });
  table.append(
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "observable"),
      ...samplers.map(({ name, colour }) => make("th", { scope: "col" }, coloured(name, colour))))),
    make("tbody", {}, ...observables.map((o) =>
      make("tr", {}, make("th", { scope: "row" }, o), ...samplers.map(({ name }) =>
        make("td", {}, ...times.flatMap((time, t) => {
          const row = cell(name, o, t);
          if (!row) return [];
          const own = make("button", {
            type: "button", class: row.verdict, "aria-pressed": "false",
            "aria-label": `${name}, ${o}, ${time.text}: ${row.words}`,
            title: `${time.text}: ${row.words}`, onclick: () => show(row),
          }, marks[row.verdict]);
          button.set(row, own);
          return [own];
        })))))),
  );
  const words = make("p", { class: "words", role: "status" });
  const panels = make("div", { class: "panels curves" });
  const legend = make("p", { class: "legend" },
    "Line: the Eulerian value of the flow that is claimed, dashed that of flows which others claim; grey band: the bias that matters (the resolution of the case); dots: averages of the samplers with 95 % intervals, those of other samplers faint.");
  host.append(caption, make("div", { class: "scroll" }, table), words, panels, legend);

  /* --- the path of an observable --- */

  const finite = times.map((time) => time.t).filter((t) => t !== null);
  const end = Math.max(...finite, 0);
  const place = (t) => (times[t].t === null ? 1.12 * (end || 1) : times[t].t);

  function path() {
    const own = rows.filter((row) => row.observable === chosen.observable);
    const curves = data.curves.filter((curve) => curve.observable === chosen.observable);
    const claim = samplers.find((one) => one.name === chosen.sampler).claims;
    const values = [
      ...own.flatMap((row) => [row.mean, row.low ?? row.mean, row.high ?? row.mean, row.reference]),
      ...curves.flatMap((curve) => curve.points.map((p) => p.y)),
    ];
    let [low, high] = [Math.min(...values), Math.max(...values)];
    if (low === high) [low, high] = [low - 1, high + 1];
    const room = 0.08 * (high - low);
    const shift = (k) => 0.012 * (end || 1) * (k - (samplers.length - 1) / 2);
    const here = samplers.findIndex((one) => one.name === chosen.sampler);
    const snaps = [...new Set(own.map((row) => place(row.time)))].sort((a, b) => a - b);
    return new Lines(panels, {
      title: `${chosen.observable} over time`, height: 330, snaps,
      x: { label: times.some((time) => time.t === null) ? "flow time t (last: π)" : "flow time t", low: -0.04 * (end || 1), high: 1.06 * Math.max(...snaps, end) },
      y: { label: chosen.observable.length > 30 ? "value" : chosen.observable, low: low - room, high: high + room },
      pick: (x) => {
        const found = own.find((row) => row.sampler === chosen.sampler && place(row.time) === x);
        if (found) show(found);
      },
      probe: (x) => {
        const at = snaps[nearest(snaps, x)];
        const found = own.filter((row) => place(row.time) === at);
        return {
          x: at,
          lines: [
            times[found[0].time].text,
            ...found.map((row) => ({ text: `${row.sampler}: ${row.text}`, colour: samplers.find((one) => one.name === row.sampler).colour })),
            ...new Set(found.map((row) => `Eulerian: ${row.reference_text}`)),
          ],
        };
      },
      layers: () => [
        { kind: "mark", at: place(chosen.time) },
        ...curves.filter((curve) => curve.claims === claim).map(({ points }) => ({ kind: "band", colour: "var(--target)", points: points.map((p) => [p.x, p.y - p.matters, p.y + p.matters]) })),
        ...curves.map(({ points, claims }) => ({ kind: "line", colour: "var(--ink)", width: claims === claim ? 1.6 : 0.8, dashed: claims !== claim, points: points.map((p) => [p.x, p.y]) })),
        ...samplers.map(({ name, colour }, k) => ({
          kind: "dots", colour, opacity: k === here ? 1 : 0.3, size: k === here ? 4.5 : 3,
          points: own.filter((row) => row.sampler === name).map((row) => [place(row.time) + shift(k), row.mean, row.low, row.high]),
        })).sort((a, b) => a.opacity - b.opacity),
      ],
    });
  }

  /* --- particles over the density --- */

  function particles() {
    const sampler = samplers.find((one) => one.name === chosen.sampler);
    const cloud = data.clouds.find((one) => one.sampler === chosen.sampler && one.time === chosen.time);
    const picture = pictures.find((one) => one.claims === sampler.claims && one.time === chosen.time);
    if (!cloud || !picture) return null;
    const [x, y] = picture.axes;
    const title = `Particles of ${sampler.name}, ${times[chosen.time].text}, over the density of ${sampler.claims}`;
    const density = picture.values.map((value) => 10 ** value);
    const along = { label: picture.names[0], low: x[0], high: x.at(-1) };
    if (y) {
      const most = Math.max(...cloud.weights);
      const shape = (y.at(-1) - y[0]) / (x.at(-1) - x[0]);
      return new Field(panels, {
        title, ratio: shape >= 0.3 && shape <= 3 ? shape : 1, x: along,
        y: { label: picture.names[1], low: y[0], high: y.at(-1) },
        probe: (px, py) => {
          const [j, i] = [nearest(x, px), nearest(y, py)];
          return { x: x[j], y: y[i], lines: [`${picture.names[0]} = ${written(x[j])}, ${picture.names[1]} = ${written(y[i])}`, `ρ = ${written(density[i * x.length + j])}`] };
        },
        layers: () => ({
          rows: y.length, columns: x.length, values: density, low: 0, high: 1.4 * Math.max(...density), colours: ramp(data.greys),
          dots: { x: cloud.x[0], y: cloud.x[1], colour: sampler.colour, size: Array.from(cloud.weights, (w) => 1.8 * Math.sqrt(w / most)) },
        }),
      });
    }
    const bins = 60;
    const width = (x.at(-1) - x[0]) / bins;
    const heights = new Float64Array(bins);
    const whole = cloud.weights.reduce((sum, weight) => sum + weight, 0);
    cloud.x[0].forEach((value, i) => {
      const bin = Math.floor((value - x[0]) / width);
      if (bin >= 0 && bin < bins) heights[bin] += cloud.weights[i] / whole / width;
    });
    const steps = Array.from(heights).flatMap((height, i) => [[x[0] + i * width, height], [x[0] + (i + 1) * width, height]]);
    return new Lines(panels, {
      title, height: 330, x: along,
      y: { label: "density", low: 0, high: 1.08 * Math.max(...heights, ...density) },
      probe: (px) => {
        const j = nearest(x, px);
        const bin = Math.min(Math.max(Math.floor((x[j] - x[0]) / width), 0), bins - 1);
        return { x: x[j], lines: [`${picture.names[0]} = ${written(x[j])}`, { text: `particles: ${written(heights[bin])}`, colour: sampler.colour }, { text: `ρ = ${written(density[j])}`, colour: "#777777" }] };
      },
      layers: () => [
        { kind: "area", points: Array.from(density, (value, i) => [x[i], value]), colour: "var(--target)", opacity: 0.35 },
        { kind: "line", points: steps, colour: sampler.colour, width: 1.5 },
      ],
    });
  }

  function show(row) {
    button.get(chosen)?.setAttribute("aria-pressed", "false");
    chosen = row;
    button.get(chosen)?.setAttribute("aria-pressed", "true");
    words.textContent = `${row.sampler}, ${row.observable}, ${times[row.time].text}: ${row.words}. Sampler ${row.text}, Eulerian ${row.reference_text}, p = ${row.p_text}.`;
    panels.replaceChildren();
    path().draw();
    particles()?.draw();
  }

  show(chosen);
};
