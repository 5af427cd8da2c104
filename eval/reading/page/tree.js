"use strict";
// parse trees, in brackets -> drawn
function readTree(text) {
  const tokens = text.match(/[()]|[^()\s]+/g) || [];
  let at = 0;
  const UNESCAPED = { "-LRB-": "(", "-RRB-": ")", "-NL-": "⏎" };
  function node() {
    if (tokens[at] !== "(") { const word = tokens[at++]; return { label: UNESCAPED[word] || word, children: [] }; }
    at += 1;
    const label = tokens[at] !== "(" && tokens[at] !== ")" ? tokens[at++] : "";
    const children = [];
    while (at < tokens.length && tokens[at] !== ")") children.push(node());
    at += 1;
    return { label, children };
  }
  return node();
}

function drawTree(text) {
  const SVG = "http://www.w3.org/2000/svg", ROW = 34, GAP = 14, CHAR = 7;
  const root = readTree(text);
  let right = 0, deepest = 0;
  const nodes = [];
  function place(node, depth) {
    deepest = Math.max(deepest, depth);
    const width = node.label.length * CHAR;
    if (!node.children.length) {
      node.x = right + width / 2 + GAP / 2;
      right += width + GAP;
    } else {
      node.children.forEach((child) => place(child, depth + 1));
      node.x = (node.children[0].x + node.children[node.children.length - 1].x) / 2;
      // a long label over a short word needs room of its own
      right = Math.max(right, node.x + width / 2 + GAP / 2);
    }
    node.y = depth * ROW + 16;
    nodes.push(node);
  }
  place(root, 0);
  const svg = document.createElementNS(SVG, "svg");
  const height = deepest * ROW + 30, width = Math.ceil(right + GAP);
  for (const [key, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": text })) svg.setAttribute(key, value);
  const add = (name, attributes, content) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (content) made.textContent = content;
    svg.append(made);
  };
  for (const node of nodes) for (const child of node.children) add("line", { x1: node.x, y1: node.y + 5, x2: child.x, y2: child.y - 13 });
  for (const node of nodes) add("text", { x: node.x, y: node.y, class: node.children.length ? "label" : "" }, node.label);
  return element("div", { class: "tree", tabindex: "0" }, svg);
}
