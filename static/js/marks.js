// Marked rows of a list ([data-list]): boxes, shift for a range, x on a row, all on the page, all that
// match; says how many, and puts them into the link that compares. Keeps marks when rows come anew.
(() => {
  "use strict";
  const list = document.querySelector("[data-list]");
  const bar = list?.querySelector("#bulk");
  if (!bar) return;
  const all = bar.querySelector("[data-all]");
  const compare = bar.querySelector("[data-compare]");
  const markAll = bar.querySelector("[data-mark-all]");
  const marked = new Set();
  let last = null;

  const boxes = () => [...list.querySelectorAll("[data-mark]")];

  function show() {
    const found = boxes();
    const page = list.querySelector("[data-mark-page]");
    const count = all.value ? Number(markAll.dataset.markAll) : marked.size;
    bar.querySelector("[data-marked]").textContent = `${count.toLocaleString("en")} marked`;
    if (page) {
      page.checked = found.length > 0 && found.every((box) => box.checked);
      page.indeterminate = !page.checked && found.some((box) => box.checked);
    }
    if (markAll) markAll.hidden = Boolean(all.value) || !page?.checked;
    if (!compare) return;
    compare.hidden = Boolean(all.value) || marked.size < 2;
    compare.href = compare.dataset.compare + [...marked].join(",");
  }

  function mark(box, on) {
    box.checked = on;
    if (on) marked.add(box.value);
    else marked.delete(box.value);
    all.value = "";
  }

  function range(from, to, on) {
    const found = boxes();
    const [first, end] = [found.indexOf(from), found.indexOf(to)].sort((a, b) => a - b);
    if (first >= 0) for (const box of found.slice(first, end + 1)) mark(box, on);
  }

  list.addEventListener("click", (event) => {
    const box = event.target.closest("[data-mark]");
    if (!box) return;
    if (event.shiftKey && last && last !== box) range(last, box, box.checked);
    mark(box, box.checked);
    last = box;
    show();
  });
  list.addEventListener("change", (event) => {
    if (!event.target.matches("[data-mark-page]")) return;
    for (const box of boxes()) mark(box, event.target.checked);
    show();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "x" || event.ctrlKey || event.metaKey || event.altKey) return;
    const box = event.target.matches?.("tr[data-href]") && event.target.querySelector("[data-mark]");
    if (!box) return;
    mark(box, !box.checked);
    last = box;
    show();
  });
  markAll?.addEventListener("click", () => {
    all.value = "yes";
    show();
  });
  bar.querySelector("[data-unmark]").addEventListener("click", () => {
    for (const box of boxes()) mark(box, false);
    marked.clear();
    show();
  });
  document.addEventListener("htmx:load", () => {
    for (const box of boxes()) box.checked = marked.has(box.value);
    show();
  });
  addEventListener("pageshow", () => {
    for (const box of boxes()) mark(box, box.checked); // The browser may remember boxes.
    show();
  });
})();
