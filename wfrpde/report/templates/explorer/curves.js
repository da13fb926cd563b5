/* Curves over a parameter: points with bars, and the lines that are expected or lead the eye. */

views.curves = async (host, data) => {
  const panels = make("div", { class: "panels curves" });
  host.append(panels);
  for (const plot of data.plots) curvePlot(panels, plot).draw();
};

function curvePlot(host, { title, x, y, series, expected = [], words = "" }) {
  const scaled = (axis, value) => (axis.log ? (value > 0 ? Math.log10(value) : NaN) : value);
  const place = ({ x: a, y: b }) => [scaled(x, a), scaled(y, b)];
  const all = series.flatMap((one) => one.points);
  const range = (values, share) => {
    const finite = values.filter(Number.isFinite);
    const [low, high] = [Math.min(...finite), Math.max(...finite)];
    const room = share * (high - low || 1);
    return { low: low - room, high: high + room };
  };
  const across = all.map((p) => scaled(x, p.x));
  const ends = (p) =>
    Number.isFinite(p.error)
      ? [scaled(y, y.log ? Math.max(p.y - p.error, 1e-9 * p.y) : p.y - p.error), scaled(y, p.y + p.error)]
      : [];
  const snaps = [...new Set(across)].sort((a, b) => a - b);
  const gap = (snaps.at(-1) - snaps[0]) / 12;
  const apart = snaps.filter((at, i) => !i || at - snaps[i - 1] > gap);
  const text = (at) => all[across.indexOf(at)].name;
  const places = x.log ? { places: apart.map((at) => ({ at, text: text(at) })) } : {};
  const key = make("p", { class: "legend" });
  const panel = new Lines(host, {
    title, height: 320,
    x: { ...x, ...places, ...range(across, 0.05) },
    y: { ...y, ...range(all.map((p) => scaled(y, p.y)), 0.06) },
    snaps,
    probe: (at) => {
      const found = across[nearest(across, at)];
      const here = series.flatMap(({ label, colour, points }) =>
        points.filter((p) => scaled(x, p.x) === found).map((p) => ({ text: `${label}: ${p.text}`, colour, name: p.name })),
      );
      return { x: found, lines: [`${x.label} = ${here[0].name}`, ...here] };
    },
    layers: () => [
      ...expected.map(({ points, colour }) => ({ kind: "line", colour, width: 1.1, points: points.map(([a, b]) => [scaled(x, a), scaled(y, b)]) })),
      ...series.flatMap(({ points, colour, joined = true }) => [
        ...(joined ? [{ kind: "line", points: points.map(place), colour, width: 1, dashed: true }] : []),
        { kind: "dots", colour, size: 3.6, points: points.map((p) => [...place(p), ...ends(p)]).filter(([, b]) => Number.isFinite(b)) },
      ]),
    ],
  });
  for (const { label, colour } of series) key.append(coloured(label, colour), " \u2003");
  key.append(words);
  panel.figure.append(key);
  return panel;
}
