"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const STEP = 10;

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // sample browser

  const filters = { task: get("task"), left: get("left"), right: get("right"), success: get("success"), query: get("query") };
  let shown = STEP;

  function fill(select, options, chosen) {
    select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    if (options.some(([value]) => value === chosen)) select.value = chosen;
  }

  function fillMethods() {
    const names = Object.keys(data.tasks[filters.task.value].methods);
    const options = names.map((name) => [name, data.methods[name]]);
    const { left, right } = filters;
    const first = names.includes(data.reference) ? data.reference : names[0];
    const second = names.find((name) => name !== first) || first;
    fill(left, options, names.includes(left.value) ? left.value : first);
    fill(right, options, names.includes(right.value) ? right.value : second);
  }

  // by target: the samples of one method
  function grouped(task, method) {
    const groups = new Map();
    for (const row of task.methods[method] || []) {
      if (!groups.has(row[0])) groups.set(row[0], []);
      groups.get(row[0]).push(row);
    }
    return groups;
  }

  const full = (row) => row[5].length > 0 && row[5].every((score) => score === 100);
  const succeeds = (rows) => rows.some(full);

  function matches(kind, left, right) {
    if (kind === "yes") return succeeds(left);
    if (kind === "no") return left.some((row) => !full(row));
    if (kind === "better") return succeeds(left) && right.some((row) => !full(row));
    if (kind === "worse") return left.some((row) => !full(row)) && succeeds(right);
    return true;
  }

  // the samples that the choice is about come first
  function ordered(rows, wanted) {
    return wanted === null ? rows : [...rows].sort((a, b) => (full(b) === wanted) - (full(a) === wanted));
  }

  function draw() {
    const task = data.tasks[filters.task.value];
    const { left, right, success } = filters;
    const groups = [left.value, right.value].map((method) => grouped(task, method));
    const query = filters.query.value.trim().toLowerCase();
    const found = [];
    task.targets.forEach(([id, text], at) => {
      const sides = groups.map((group) => group.get(at) || []);
      if (!matches(success.value, ...sides)) return;
      const haystack = [id, text, ...sides.flat().map((row) => row[2])].join(" ").toLowerCase();
      if (query && !haystack.includes(query)) return;
      found.push([id, text, sides]);
    });
    const [targets, all, rows, every] = task.shown;
    const held = rows < every ? ` The page holds ${rows} of ${every} samples.` : "";
    const few = targets < all ? ` of the first ${targets} (of ${all})` : ` of ${all}`;
    get("found").textContent = `${found.length}${few} targets.${held}`;
    const wanted = { yes: [true, null], no: [false, null], better: [true, false], worse: [false, true] }[success.value] || [null, null];
    get("list").replaceChildren(...found.slice(0, shown).map(([id, text, sides]) => pair(id, text, sides, wanted)));
    get("next").hidden = found.length <= shown;
  }

  function pair(id, text, sides, wanted) {
    const methods = [filters.left.value, filters.right.value];
    const same = methods[0] === methods[1];
    const columns = sides.slice(0, same ? 1 : 2).map((rows, i) =>
      element("div", { class: "side" }, element("h4", {}, data.methods[methods[i]]), ...side(ordered(rows, wanted[i]))));
    const title = element("h3", {}, text + " ", element("span", { class: "id" }, id));
    return element("article", { class: "pair" }, title, element("div", { class: "sides" }, ...columns));
  }

  function side(rows) {
    if (!rows.length) return [element("p", { class: "dim" }, "no samples")];
    const [first, ...rest] = rows;
    const made = [sample(first)];
    if (rest.length) {
      const more = element("button", { type: "button", class: "plain" }, `${rest.length} more of this target`);
      more.addEventListener("click", () => more.replaceWith(...rest.map(sample)));
      made.push(more);
    }
    return made;
  }

  function sample(row) {
    const [, , words, states, missing, scores, tree] = row;
    const line = element("p", {}, verdict(scores));
    let run = [], state = ".";
    const flush = () => {
      if (!run.length) return;
      const text = run.join(" ");
      line.append(state === "." ? text : element("span", { class: state === "g" ? "good" : "bad" }, text), " ");
      run = [];
    };
    words.split(" ").forEach((word, i) => {
      if ((states[i] || ".") !== state) { flush(); state = states[i] || "."; }
      run.push(word);
    });
    flush();
    for (const what of missing) line.append(element("span", { class: "bad" }, `[missing ${what}]`), " ");
    const made = element("div", { class: "sample" }, line);
    if (tree) {
      const button = element("button", { type: "button", class: "plain", "aria-expanded": "false" }, "Parse tree");
      button.addEventListener("click", () => {
        const open = button.getAttribute("aria-expanded") === "true";
        if (open) made.lastChild.remove(); else made.append(drawTree(tree));
        button.setAttribute("aria-expanded", String(!open));
      });
      made.append(button);
    }
    return made;
  }

  function verdict(scores) {
    if (!scores.length) return element("span", { class: "verdict dim" }, "not judged");
    const text = scores.map((score) => (score === 100 ? "✓" : score === 0 ? "✗" : `${score} %`)).join(" ");
    const kind = scores.every((score) => score === 100) ? "yes" : scores.every((score) => score === 0) ? "no" : "part";
    return element("span", { class: `verdict ${kind}` }, text);
  }

  // parse trees

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

  // denoising trajectory

  function trajectory() {
    const slider = get("frame");
    if (!data.trajectory || !slider) return;
    const { frames, control } = data.trajectory;
    const final = frames[frames.length - 1][2];
    slider.max = frames.length - 1;
    let timer = null;
    const show = () => {
      const [t, std, words] = frames[Number(slider.value)];
      get("step").textContent = t < 0 ? `text · ${control}` : `step ${t + 1} · noise ${std.toFixed(2)}`;
      get("words").replaceChildren(...words.map((word, i) =>
        element("span", word === final[i] ? { class: "settled" } : {}, word === "\n" ? "⏎" : word)));
    };
    const stop = () => {
      clearInterval(timer);
      timer = null;
      get("play").textContent = "Play";
      get("play").setAttribute("aria-pressed", "false");
    };
    get("play").addEventListener("click", () => {
      if (timer !== null) return stop();
      if (slider.value === slider.max) slider.value = 0;
      get("play").textContent = "Pause";
      get("play").setAttribute("aria-pressed", "true");
      timer = setInterval(() => {
        slider.value = Number(slider.value) + 1;
        show();
        if (slider.value === slider.max) stop();
      }, 130);
      show();
    });
    slider.addEventListener("input", () => { stop(); show(); });
    slider.value = Math.round(frames.length * 0.55);
    show();
  }

  const names = Object.entries(data.tasks).filter(([, task]) => Object.keys(task.methods).length);
  if (names.length) {
    fill(filters.task, names.map(([name, task]) => [name, task.name]), names[0][0]);
    fillMethods();
    const again = () => { shown = STEP; draw(); };
    filters.task.addEventListener("change", () => { fillMethods(); again(); });
    for (const name of ["left", "right", "success"]) filters[name].addEventListener("change", again);
    filters.query.addEventListener("input", again);
    get("filters").addEventListener("submit", (event) => event.preventDefault());
    get("next").addEventListener("click", () => { shown += STEP; draw(); });
    draw();
  } else {
    get("found").textContent = "No method of this set has samples.";
    get("filters").hidden = get("next").hidden = true;
  }
  trajectory();
})();
