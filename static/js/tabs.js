// Tabs: <div class="tabs" data-tabs><a href="#id">…</a></div> and .tab-panel elements with those ids.
// The open tab stands in the URL's hash. Without JavaScript all panels show, one below the other.
(() => {
  "use strict";

  function panelOf(tab) {
    return document.getElementById(tab.hash.slice(1));
  }

  function show(tabs, chosen) {
    for (const tab of tabs.querySelectorAll("a[href^='#']")) {
      const selected = tab === chosen;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      const panel = panelOf(tab);
      if (panel) panel.hidden = !selected;
    }
    tabs.scrollLeft = chosen.offsetLeft - tabs.offsetLeft - 24; // In sight where not all tabs are.
    // Charts in a panel that was hidden have no size until now.
    panelOf(chosen)?.dispatchEvent(new CustomEvent("tab:shown", { bubbles: true }));
  }

  function fromHash(tabs) {
    const all = [...tabs.querySelectorAll("a[href^='#']")];
    const chosen = all.find((tab) => tab.hash === location.hash) ?? all[0];
    if (chosen) show(tabs, chosen);
  }

  function prepare(tabs) {
    tabs.setAttribute("role", "tablist");
    document.documentElement.classList.add("has-tabs");
    for (const tab of tabs.querySelectorAll("a[href^='#']")) {
      tab.setAttribute("role", "tab");
      const panel = panelOf(tab);
      if (!panel) continue;
      tab.id ||= `tab-${panel.id}`;
      tab.setAttribute("aria-controls", panel.id);
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tab.id);
    }
    fromHash(tabs);
  }

  const everywhere = () => document.querySelectorAll(".tabs");

  document.addEventListener("click", (event) => {
    const tab = event.target.closest(".tabs > a[href^='#']");
    if (!tab) return;
    event.preventDefault();
    history.replaceState(history.state, "", tab.hash);
    show(tab.parentElement, tab);
  });
  document.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !event.target.matches?.(".tabs > a")) return;
    const all = [...event.target.parentElement.querySelectorAll("a[href^='#']")];
    const next = all[(all.indexOf(event.target) + step + all.length) % all.length];
    next.focus();
    next.click();
    event.preventDefault();
  });
  addEventListener("hashchange", () => everywhere().forEach(fromHash));
  everywhere().forEach(prepare);
})();
