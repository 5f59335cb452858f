// Shapes and small helpers of the page. Knows no state of the line.
const NS = "http://www.w3.org/2000/svg";

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
export function shape(tag, attributes, ...children) {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
const OUTLINES = {
  circle: ["circle", { cx: 16, cy: 16, r: 14 }],
  square: ["rect", { x: 3, y: 3, width: 26, height: 26, rx: 3 }],
  diamond: ["path", { d: "M16 1 31 16 16 31 1 16Z" }],
  triangle: ["path", { d: "M16 2 31 29 1 29Z" }],
};
const MARKS = {
  tick: "M9 17l5 5 9-11", cross: "M10 10l12 12M22 10 10 22", bang: "M16 10v9M16 23.5v.6", dash: "M9 16h14",
  wait: "M16 9v8l5 3", wrench: "M11 23l7-7M20 11a4 4 0 1 0 2 5l-3-.5-.8-2z", query: "M13 15a3.2 3.2 0 1 1 4 3v2.6M17 25v.5", drop: "M16 12c4 5 4 9 0 10-4-1-4-5 0-10z",
};
// A filled outline with a mark in it. `colour` fills, `ink` marks.
export function sign(outline, mark, colour, ink = "#fff") {
  const [tag, attributes] = OUTLINES[outline];
  return shape("svg", { viewBox: "0 0 32 32", "aria-hidden": "true" },
    shape(tag, { ...attributes, fill: colour, stroke: ink, "stroke-width": 1.5 }),
    shape("path", { d: MARKS[mark], fill: "none", stroke: ink, "stroke-width": 3, "stroke-linecap": "round", "stroke-linejoin": "round" }));
}
// NAMUR NE 107: colour and shape of each class.
export const NE107 = {
  0: () => sign("square", "dash", "#6d7d8a"),
  1: () => sign("square", "tick", "#0f6b3a"),
  2: () => sign("triangle", "bang", "#ff9a1f", "#14202b"),
  3: () => sign("triangle", "query", "#ffe04a", "#14202b"),
  4: () => sign("diamond", "drop", "#2f6fde"),
  5: () => sign("circle", "cross", "#c9141d"),
};
export const CODES = {
  PASS: () => sign("square", "tick", "#0f6b3a"),
  REJECT: () => sign("circle", "cross", "#c9141d"),
  NO_DECISION: () => sign("diamond", "query", "#45525d"),
};
export function table(rows, head) {
  const body = element("tbody");
  for (const [name, ...values] of rows)
    body.append(element("tr", {}, element("th", { scope: "row" }, name), ...values.map((v) => element("td", {}, v))));
  const made = element("table");
  if (head) made.append(element("thead", {}, element("tr", {}, ...head.map((h) => element("th", { scope: "col" }, h)))));
  made.append(body);
  return made;
}
export function bar(name, share) {
  const width = Math.max(0, Math.min(1, share)) * 100;
  const drawn = shape("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    shape("rect", { x: 0, y: 0, width, height: 10 }));
  return element("div", { class: "bar" }, element("span", {}, name), element("i", {}, drawn), element("span", {}, `${Math.round(share * 100)} %`));
}
// Plain, striped and dotted: the kinds are told apart without colour.
function patterns() {
  const pattern = (id, ...marks) => shape("pattern", { id, width: 4, height: 4, patternUnits: "userSpaceOnUse" }, ...marks);
  const ground = (fill) => shape("rect", { width: 4, height: 4, fill });
  return shape("defs", {},
    pattern("reject-fill", ground("#c9141d"), shape("rect", { width: 4, height: 1.6, fill: "#ffffff" })),
    pattern("no_decision-fill", ground("#45525d"), shape("rect", { x: 1, y: 1, width: 1.6, height: 1.6, fill: "#ffffff" })));
}
export function swatch(kind) {
  return shape("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, patterns(), shape("rect", { width: 12, height: 12, class: kind }));
}
// Stacked bars, the oldest left.
export function stacks(bars, kinds, label) {
  const most = Math.max(1, ...bars.map((b) => kinds.reduce((sum, kind) => sum + b[kind], 0)));
  const drawn = shape("svg", { viewBox: `0 0 ${bars.length * 10} 100`, preserveAspectRatio: "none", role: "img", "aria-label": label }, patterns());
  bars.forEach((b, i) => {
    let y = 100;
    for (const kind of kinds) {
      const height = (b[kind] / most) * 100;
      y -= height;
      if (height > 0) drawn.append(shape("rect", { x: i * 10 + 1, y, width: 8, height, class: kind }));
    }
  });
  return drawn;
}
export function duration(seconds) {
  const s = Math.round(seconds);
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return `${(s / 3600).toFixed(1)} h`;
}
// Replace what `place` shows only when it differs: a screen reader and the eye are left in peace.
export function fill(place, key, make) {
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  place.replaceChildren(...[make()].flat());
}
