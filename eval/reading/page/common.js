"use strict";
// what every page has: small helpers, and light or dark

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// a cell that a spreadsheet would run becomes a text, as tasks/common/spreadsheet.py has it
function csvCell(text) {
  const number = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text);
  const safe = /^'*[=+\-@\t\r\n]/.test(text) && !number ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function download(file, rows) {
  const text = rows.map((row) => row.map((cell) => csvCell(String(cell))).join(",")).join("\n") + "\n";
  const url = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
  const link = element("a", { href: url, download: file });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

(() => {
  const button = document.getElementById("theme"), root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const show = () => button.setAttribute("aria-pressed", String(dark()));
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("control-bench-theme", root.dataset.theme); } catch { /* no storage */ }
    show();
  });
  system.addEventListener("change", show);
  button.hidden = false;
  show();
})();
