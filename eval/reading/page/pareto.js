"use strict";
// control over perplexity: drawn anew for the width at hand, so that it reads on a phone
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const place = document.getElementById("pareto");
  if (!place || !data.overview.length) return;
  const SVG = "http://www.w3.org/2000/svg";
  let view = data.overview[0];

  function add(parent, name, attributes, content) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (content !== undefined) made.textContent = content;
    parent.append(made);
    return made;
  }

  const polygon = (n, radius, turn, inner = radius) => Array.from({ length: inner === radius ? n : 2 * n }, (_, i, all = inner === radius ? n : 2 * n) => {
    const r = inner === radius || i % 2 === 0 ? radius : inner, a = turn + (2 * Math.PI * i) / all;
    return `${(r * Math.sin(a)).toFixed(2)},${(-r * Math.cos(a)).toFixed(2)}`;
  }).join(" ");
  // in the order of the figures' markers
  const SHAPES = [null, polygon(4, 7.5, Math.PI / 4), polygon(3, 8, 0), polygon(4, 8, 0), polygon(3, 8, Math.PI), polygon(4, 8.5, 0, 3.2), polygon(4, 8.5, Math.PI / 4, 3.2), polygon(5, 9, 0, 4), polygon(3, 8, Math.PI / 2), polygon(3, 8, -Math.PI / 2), polygon(6, 8, 0)];
  const STAR = polygon(5, 10.5, 0, 4.6);

  function ticks(low, high) {
    const found = [], steps = high / low > 6 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) found.push(...steps.map((step) => step * 10 ** power));
    return found.filter((value) => value >= low && value <= high);
  }

  function draw() {
    const width = Math.max(260, place.clientWidth), height = Math.round(Math.min(430, Math.max(300, width * 0.42)));
    const frame = { left: 46, right: width - 14, top: 16, bottom: height - 46 };
    const all = view.points.flatMap((p) => p.lm.filter((v) => v !== null));
    const low = Math.min(...all) / 1.12, high = Math.max(...all) * 1.18;
    const x = (v) => frame.left + ((frame.right - frame.left) * Math.log(v / low)) / Math.log(high / low);
    const y = (v) => frame.bottom - ((frame.bottom - frame.top) * v) / 104;
    const svg = document.createElementNS(SVG, "svg");
    for (const [key, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" })) svg.setAttribute(key, value);
    place.replaceChildren(svg);
    for (const v of [0, 20, 40, 60, 80, 100]) {
      add(svg, "line", { class: "rule", x1: frame.left, x2: frame.right, y1: y(v), y2: y(v) });
      add(svg, "text", { class: "tick", x: frame.left - 8, y: y(v) + 4, "text-anchor": "end" }, v);
    }
    for (const v of ticks(low, high)) {
      add(svg, "line", { class: "rule", x1: x(v), x2: x(v), y1: frame.top, y2: frame.bottom });
      add(svg, "text", { class: "tick", x: x(v), y: frame.bottom + 18, "text-anchor": "middle" }, +v.toPrecision(2));
    }
    add(svg, "text", { class: "axis", x: frame.right, y: height - 6, "text-anchor": "end" }, "perplexity, lower is better");
    add(svg, "text", { class: "axis", x: frame.left + 4, y: frame.top - 4 }, "control, %");
    const taken = [];
    for (const p of view.points) {
      const [cx, cy] = [x(p.lm[0]), y(p.ctrl[0])], human = p.look === null;
      const group = add(svg, "g", { class: human ? "point" : `point c${p.look[0]}` });
      add(group, "title", {}, `${p.label}: ${p.ctrl[0]} % at perplexity ${p.lm[0]}`);
      const arm = (x1, y1, x2, y2) => add(group, "line", { class: "arm", x1, y1, x2, y2 });
      if (p.lm[1] !== null && !human) arm(x(p.lm[1]), cy, x(p.lm[2]), cy);
      if (p.ctrl[1] !== null && !human) arm(cx, y(p.ctrl[1]), cx, y(p.ctrl[2]));
      const shape = human ? STAR : SHAPES[p.look[1]];
      const at = { class: "mark", transform: `translate(${cx.toFixed(1)} ${cy.toFixed(1)})` };
      if (shape === null) add(group, "circle", { ...at, r: 7 }); else add(group, "polygon", { ...at, points: shape });
      taken.push([cx - 9, cy - 9, cx + 9, cy + 9]);
    }
    const overlap = (a, b) => Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
    for (const p of view.points) {
      const label = add(svg, "text", { class: "name" }, p.label);
      const wide = label.getComputedTextLength(), high = 16;
      const [cx, cy] = [x(p.lm[0]), y(p.ctrl[0])];
      let best = null;
      for (const far of [0, 14, 28, 44]) {
        for (const [dx, dy] of [[12, -18], [12, 4], [-12 - wide, -18], [-12 - wide, 4], [-wide / 2, -28], [-wide / 2, 12], [14, -8], [-14 - wide, -8]]) {
          const left = cx + dx, top = cy + dy + Math.sign(dy + 8) * far;
          const box = [left - 3, top - 1, left + wide + 3, top + high + 1];
          const out = Math.max(0, frame.left - box[0]) + Math.max(0, box[2] - width) + Math.max(0, -box[1]) + Math.max(0, box[3] - frame.bottom);
          const cost = 1000 * out + 100 * taken.reduce((sum, other) => sum + overlap(box, other), 0) + far;
          if (best === null || cost < best.cost) best = { cost, box, left, top, far };
        }
      }
      taken.push(best.box);
      label.setAttribute("x", best.left.toFixed(1));
      label.setAttribute("y", (best.top + 12.5).toFixed(1));
      if (best.far > 20) {
        const end = best.top > cy ? best.box[1] : best.box[3];
        svg.insertBefore(add(svg, "line", { class: "leader", x1: cx, y1: cy, x2: Math.min(Math.max(cx, best.left), best.left + wide), y2: end }), svg.firstChild);
      }
    }
    place.setAttribute("aria-label", view.text);
  }

  const chips = data.overview.map((one) => {
    const chip = element("button", { type: "button", class: "chip", "aria-pressed": String(one === view) }, one.name);
    chip.addEventListener("click", () => {
      view = one;
      chips.forEach((other) => other.setAttribute("aria-pressed", String(other === chip)));
      draw();
    });
    return chip;
  });
  document.getElementById("views").append(...(chips.length > 1 ? chips : []));
  let last = 0;
  new ResizeObserver(() => { if (place.clientWidth !== last) { last = place.clientWidth; draw(); } }).observe(place);
})();
