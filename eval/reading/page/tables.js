"use strict";
// tables: sorted by their headings, saved as CSV, with a shadow where they go on
(() => {
  const text = (cell) => cell.textContent.trim();

  function edges(box) {
    const frame = box.parentElement;
    const show = () => {
      frame.classList.toggle("before", box.scrollLeft > 1);
      frame.classList.toggle("after", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
    };
    box.addEventListener("scroll", show, { passive: true });
    new ResizeObserver(show).observe(box);
    // what fits needs no stop of the Tab key
    new ResizeObserver(() => { box.tabIndex = box.scrollWidth > box.clientWidth ? 0 : -1; }).observe(box);
    show();
  }
  document.querySelectorAll(".edges > .scroll").forEach(edges);

  function number(cell) {
    const found = text(cell).replace("\u2212", "-").match(/^[^\d[]*?(-?\d[\d,]*(\.\d+)?)/);
    return found && !/^n\/a|^not /.test(text(cell)) ? parseFloat(found[1].replaceAll(",", "")) : NaN;
  }

  // what a row is called; an aside is said of the row above
  const called = (row) => (row.cells[0].querySelector(".aside") ? "" : text(row.cells[0]));

  // a block whose first row alone has a name (ours, interval, paper) moves as one
  function units(table) {
    const bodies = [...table.tBodies];
    const whole = bodies.length > 1 && bodies.every((body) => [...body.rows].every((row, i) => (i === 0) === (called(row) !== "")));
    if (whole) return [{ place: table, members: bodies, row: (body) => body.rows[0] }];
    return bodies.map((body) => ({ place: body, members: [...body.rows], row: (row) => row }));
  }

  function sortable(table) {
    const groups = units(table);
    if (groups.every((group) => group.members.length < 2)) return;
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    heads.forEach((head, column) => {
      if (head.tagName !== "TH") return;
      const button = element("button", { type: "button", class: "sort" }, text(head));
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const cells = groups.flatMap((group) => group.members.map((member) => group.row(member).cells[column]));
        const numeric = cells.some((cell) => !Number.isNaN(number(cell))) && head.classList.contains("right");
        const first = numeric && !button.textContent.includes("↓") ? "descending" : "ascending";
        const second = first === "ascending" ? "descending" : "ascending";
        const next = { [first]: second, [second]: null }[head.getAttribute("aria-sort")];
        const order = next === undefined ? first : next;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (order) head.setAttribute("aria-sort", order);
        const sign = order === "descending" ? -1 : 1;
        for (const { place, members, row } of groups) {
          const key = (member) => (numeric ? number(row(member).cells[column]) : text(row(member).cells[column]));
          const blank = (value) => (numeric ? Number.isNaN(value) : value === "");
          const compare = (a, b) => {
            const [x, y] = [key(a), key(b)];
            if (blank(x) || blank(y)) return blank(x) - blank(y);
            return sign * (numeric ? x - y : x.localeCompare(y, "en", { numeric: true }));
          };
          place.append(...(order ? [...members].sort(compare) : members));
        }
      });
    });
  }

  // rows as they stand; a heading over several columns is said in each
  function rows(table) {
    const [groups, heads] = table.tHead.rows.length > 1 ? table.tHead.rows : [null, table.tHead.rows[0]];
    const above = groups ? [...groups.cells].flatMap((cell) => Array(cell.colSpan).fill(text(cell))) : [];
    const titles = [...heads.cells].map((cell, i) => [above[i], text(cell)].filter(Boolean).join(": "));
    let name = "";
    const body = [...table.tBodies].flatMap((part) => [...part.rows]).map((row) => {
      const cells = [...row.cells].map(text);
      name = cells[0] = called(row) || name;
      return cells;
    });
    return [titles, ...body];
  }

  for (const article of document.querySelectorAll(".table")) {
    const table = article.querySelector("table"), button = article.querySelector(".csv");
    if (article.querySelector("[data-sort]")) sortable(table);
    button.hidden = false;
    button.addEventListener("click", () => download(`${article.dataset.file}.csv`, rows(table)));
  }
})();
