"use strict";
// the sample browser
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const STEP = 10, HUMAN = "human", RETRIEVED = "retrieval";

  const filters = { task: get("task"), left: get("left"), right: get("right"), success: get("success"), query: get("query") };
  let shown = STEP, found = [];

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
    const people = grouped(task, HUMAN);
    found = [];
    task.targets.forEach(([id, text], at) => {
      const sides = groups.map((group) => group.get(at) || []);
      if (!matches(success.value, ...sides)) return;
      const haystack = [id, text, ...sides.flat().map((row) => row[2])].join(" ").toLowerCase();
      if (query && !haystack.includes(query)) return;
      found.push({ id, text, sides, human: people.get(at) || [] });
    });
    const [targets, all, rows, every] = task.shown;
    const held = rows < every ? ` The page holds ${rows} of ${every} samples.` : "";
    const few = targets < all ? ` of the first ${targets} (of ${all})` : ` of ${all}`;
    get("found").textContent = `${found.length}${few} targets.${held}`;
    const wanted = { yes: [true, null], no: [false, null], better: [true, false], worse: [false, true] }[success.value] || [null, null];
    get("list").replaceChildren(...found.slice(0, shown).map((one) => pair(one, wanted)));
    get("next").hidden = found.length <= shown;
  }

  function pair({ id, text, sides, human }, wanted) {
    const methods = [filters.left.value, filters.right.value];
    const same = methods[0] === methods[1];
    const columns = sides.slice(0, same ? 1 : 2).map((rows, i) =>
      element("div", { class: "side" }, element("h4", {}, data.methods[methods[i]]), ...side(ordered(rows, wanted[i]), methods[i], id)));
    const title = element("h3", {}, text + " ", element("span", { class: "id" }, id));
    const made = element("article", { class: "pair", "data-target": id }, title);
    if (human.length && !methods.includes(HUMAN)) made.append(element("p", { class: "human" }, element("span", { class: "label" }, "human text"), " " + human[0][2]));
    made.append(element("div", { class: "sides" }, ...columns));
    return made;
  }

  function side(rows, method, target) {
    if (!rows.length) return [element("p", { class: "dim" }, "no samples")];
    const [first, ...rest] = rows;
    const made = [sample(first, method, target)];
    if (rest.length) {
      const more = element("button", { type: "button", class: "plain more" }, `${rest.length} more of this target`);
      more.addEventListener("click", () => {
        const others = rest.map((row) => sample(row, method, target));
        more.replaceWith(...others);
        others[0].querySelector(".anchor").focus();
      });
      made.push(more);
    }
    return made;
  }

  // a link that opens this page at one sample
  const fragment = (method, target, index) => "#" + new URLSearchParams({ task: filters.task.value, method, target, index });

  function sample(row, method, target) {
    const [, index, words, states, missing, scores, tree] = row;
    const line = element("p", {});
    if (scores.length || ![HUMAN, RETRIEVED].includes(method)) line.append(verdict(scores));
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
    const name = `Link to sample ${index} of ${data.methods[method]} for ${target}`;
    line.append(element("a", { class: "anchor", href: fragment(method, target, index), "aria-label": name, title: name }, "#"));
    const made = element("div", { class: "sample", "data-method": method, "data-index": index }, line);
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

  // opens the sample that the address names; says so where the page does not hold it
  function open() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const [name, method, id, index] = ["task", "method", "target", "index"].map((key) => asked.get(key));
    if (!name || !method || !id) return;
    const task = data.tasks[name], at = task ? task.targets.findIndex(([target]) => target === id) : -1;
    const held = at >= 0 && (task.methods[method] || []).some((row) => row[0] === at && String(row[1]) === (index || "0"));
    if (!held) {
      get("found").textContent = `This page does not hold sample ${index || 0} of ${method} for ${id}: make it with more targets= and samples=.`;
      get("samples").scrollIntoView();
      return;
    }
    filters.task.value = name;
    fillMethods();
    if (filters.right.value === method) filters.right.value = filters.left.value;
    filters.left.value = method;
    filters.success.value = "all";
    filters.query.value = "";
    shown = Math.max(STEP, at + 1);
    draw();
    const pairs = [...get("list").children];
    const article = pairs.find((one) => one.dataset.target === id);
    article.querySelectorAll(".more").forEach((more) => more.click());
    const wanted = [...article.querySelectorAll(".sample")].find((one) => one.dataset.method === method && one.dataset.index === (index || "0"));
    wanted.classList.add("here");
    const show = () => wanted.scrollIntoView({ block: "center", behavior: "instant" });
    show();
    // pictures that are laid out later move what is below them
    if (document.readyState !== "complete") addEventListener("load", () => requestAnimationFrame(show), { once: true });
    wanted.querySelector(".anchor").focus({ preventScroll: true });
  }

  // every sample that the filters leave, beyond those drawn so far
  function save() {
    const columns = [...new Set([filters.left.value, filters.right.value])];
    const rows = found.flatMap(({ id, text, sides }) => columns.flatMap((method, i) =>
      sides[i].map((row) => [filters.task.value, id, text, data.methods[method], row[1], row[2], row[5].join(" ")])));
    download(`samples-${filters.task.value}.csv`, [["task", "target", "control", "method", "index", "text", "score, percent"], ...rows]);
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
    get("save").hidden = false;
    get("save").addEventListener("click", save);
    draw();
    open();
    addEventListener("hashchange", open);
  } else {
    get("found").textContent = "No method of this set has samples.";
    get("filters").hidden = get("next").hidden = true;
  }
})();
