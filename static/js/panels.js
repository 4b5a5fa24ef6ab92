// <div data-panel hx-get="URL" hx-trigger="panel:load">: a part of a page that is fetched when it is first seen.
// After the event "sweep:news" it is fetched again, at once if it is seen, else when it is; one with
// data-steady (a form, a live trace) never is. Nothing is replaced under an open dialog.
(() => {
  "use strict";

  const fresh = new WeakSet();
  let isReady = false; // Before htmx has seen the page, it would not hear us.
  const panels = () => document.querySelectorAll("[data-panel]");

  function load() {
    if (!isReady || document.querySelector("dialog[open]")) return;
    for (const panel of panels()) {
      if (fresh.has(panel) || !panel.offsetParent) continue;
      fresh.add(panel);
      htmx.trigger(panel, "panel:load");
    }
  }

  document.addEventListener("tab:shown", load);
  document.addEventListener("sweep:news", () => {
    for (const panel of panels()) if (panel.dataset.steady === undefined) fresh.delete(panel);
    load();
  });
  document.addEventListener("close", load, true); // A dialog closed: what waited for it comes now.
  document.addEventListener("htmx:responseError", (event) => fresh.delete(event.target));
  document.addEventListener("htmx:sendError", (event) => fresh.delete(event.target));
  document.addEventListener("DOMContentLoaded", () => setTimeout(() => {
    isReady = true;
    load();
  }));
})();
