"use strict";
/* What every view of the explorer shares: elements, numbers, colours, compressed arrays. */

const views = {};
const SVG = "http://www.w3.org/2000/svg";
const DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/* Make an HTML element; an attribute that starts with "on" is a listener. */
function make(tag, attributes = {}, ...children) {
  return furnished(document.createElement(tag), attributes, children);
}

function drawn(tag, attributes = {}, ...children) {
  return furnished(document.createElementNS(SVG, tag), attributes, children);
}

function furnished(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value != null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const power = (exponent) =>
  "10" + String(exponent).replace("-", "⁻").replace(/\d/g, (digit) => DIGITS[digit]);

/* Write a number with so many digits, as the tables do: 0.0123, 1.2×10⁻⁷. */
function written(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const text =
    exponent >= -3 && exponent < 5
      ? Number(value.toPrecision(digits)).toFixed(Math.max(0, digits - 1 - exponent))
      : `${mantissa}×${power(Number(exponent))}`;
  return text.replace("-", "−");
}

const signed = (text) => text.replace(/^-/, "−");

/* Round places between two numbers, about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * ([1, 2, 5].find((factor) => factor * size >= rough) ?? 10);
  const places = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++)
    places.push({ at: i * step, text: signed(String(Number((i * step).toPrecision(6)))) });
  return places;
}

/* Powers of ten between two decimal exponents. */
function decades(low, high, count) {
  const step = Math.max(1, Math.ceil((high - low) / Math.max(count, 1)));
  const places = [];
  for (let k = Math.ceil(low / step - 1e-9) * step; k <= high + 1e-9; k += step)
    places.push({ at: k, text: power(k) });
  return places.length > 1
    ? places
    : ticks(low, high, count).map(({ at }) => ({ at, text: written(10 ** at, 2) }));
}

/* Colours as red, green and blue for 256 values from 0 to 1, by linear mixing of a few. */
function ramp(steps) {
  const parts = steps.map((step) => [1, 3, 5].map((i) => parseInt(step.slice(i, i + 2), 16)));
  return Array.from({ length: 256 }, (_, i) => {
    const place = (i / 255) * (parts.length - 1);
    const k = Math.min(Math.floor(place), parts.length - 2);
    return parts[k].map((from, c) => Math.round(from + (place - k) * (parts[k + 1][c] - from)));
  });
}

/* Unpack an array of wfrpde.report.explorer.packed: one Float32Array an image, NaN for nothing. */
async function unpacked({ shape: [count, rows, columns], low, step, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = rows * columns;
  const codes = new Uint16Array(count * size);
  for (let i = 0; i < codes.length; i++) codes[i] = (planes[i] << 8) | planes[codes.length + i];
  return Array.from({ length: count }, (_, k) => {
    const own = codes.subarray(k * size, (k + 1) * size);
    for (let i = 0; i < size; i++) if (i % columns) own[i] += own[i - 1];
    for (let i = columns; i < size; i++) own[i] += own[i - columns];
    return Float32Array.from(own, (code) => (code ? low + (code - 1) * step : NaN));
  });
}

/* A group of radio buttons; `chosen` is called with the value of the one that is picked. */
function choices(title, options, value, chosen) {
  const name = `choice-${(choices.count = (choices.count ?? 0) + 1)}`;
  return make(
    "fieldset",
    { class: "choices" },
    make("legend", {}, title),
    ...options.map(([key, text]) =>
      make(
        "label",
        {},
        make("input", {
          type: "radio",
          name,
          value: key,
          checked: key === value ? "" : null,
          onchange: () => chosen(key),
        }),
        make("span", {}, text),
      ),
    ),
  );
}

/* A name with the colour of its curve before it. */
function coloured(text, colour) {
  const dot = make("span", { class: "dot", "aria-hidden": "true" });
  dot.style.background = colour; // set here: a policy of the page may forbid style attributes
  return make("span", { class: "named" }, dot, text);
}

/* Start the explorer of the page, if it has one. */
async function explore() {
  const source = document.getElementById("explorer-data");
  const host = document.getElementById("explorer");
  if (!source || !host) return;
  const data = JSON.parse(source.textContent);
  host.hidden = false;
  await views[data.kind](host, data);
  host.dataset.ready = "yes";
}

/* What is folded away is printed as well. */
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details:not([open])")) {
    folded.open = true;
    folded.dataset.folded = "yes";
  }
});
addEventListener("afterprint", () => {
  for (const folded of document.querySelectorAll("details[data-folded]")) {
    folded.open = false;
    delete folded.dataset.folded;
  }
});
