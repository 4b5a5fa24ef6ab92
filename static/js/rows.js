// Table rows with data-href open on click and on Enter; the real link stays in the first cell.
// j and k, or the arrows, go down and up; / goes to the search.
(() => {
  "use strict";

  function prepare(root) {
    for (const area of root.querySelectorAll(".table-scroll")) {
      // A table wider than the page is scrolled with the arrow keys, too.
      if (area.scrollWidth > area.clientWidth) area.tabIndex = 0;
    }
    for (const row of root.querySelectorAll("tr[data-href]:not([tabindex])")) row.tabIndex = 0;
  }

  function open(row, newTab) {
    if (newTab) window.open(row.dataset.href, "_blank", "noopener");
    else location.assign(row.dataset.href);
  }

  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (!row || event.target.closest("a, button, input, select, label, summary")) return;
    if (String(getSelection())) return; // Somebody is marking text to copy.
    open(row, event.ctrlKey || event.metaKey);
  });
  document.addEventListener("auxclick", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (row && event.button === 1 && !event.target.closest("a, button")) open(row, true);
  });
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.("tr[data-href]")) return;
    const next = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (event.key === "Enter") open(event.target, event.ctrlKey || event.metaKey);
    else if (next) event.target[next]?.focus();
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable], dialog")) return;
    const search = event.key === "/" && document.querySelector("[data-search]");
    const step = { j: "nextElementSibling", k: "previousElementSibling" }[event.key];
    const row = event.target.closest?.("tr[data-href]");
    const goal = search || (step && (row ? row[step] : document.querySelector("tr[data-href]")));
    if (!goal) return;
    goal.focus();
    event.preventDefault();
  });
  document.addEventListener("htmx:load", (event) => prepare(event.target));
  prepare(document);
})();
