// [data-large="NAME"]: opens the chart NAME as large as the window, in a dialog; Escape closes it.
(() => {
  "use strict";

  function reveal(root) {
    for (const button of root.querySelectorAll("[data-large]")) button.hidden = false;
  }

  function element(tag, properties) {
    return Object.assign(document.createElement(tag), properties);
  }

  function open(button) {
    const name = button.dataset.large;
    const dialog = element("dialog", { className: "large" });
    const bar = element("div", { className: "cluster" });
    const title = element("h2", { textContent: document.getElementById(`asks-${name}`).textContent, id: "large-title" });
    const close = element("button", { type: "button", className: "button small push", textContent: "Close", autofocus: true });
    const chart = element("div", { className: "chart" });
    chart.dataset.figure = `figure-${name}`;
    chart.dataset.fill = "";
    chart.setAttribute("role", "group");
    chart.setAttribute("aria-labelledby", "large-title");
    dialog.setAttribute("aria-labelledby", "large-title");
    bar.append(title, close);
    dialog.append(bar, chart);
    document.body.append(dialog);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      Plotly.purge(chart);
      dialog.remove();
      document.querySelector(`[data-large="${CSS.escape(name)}"]`)?.focus();
    });
    dialog.showModal();
    document.dispatchEvent(new CustomEvent("chart:added"));
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-large]");
    if (button) open(button);
  });
  document.addEventListener("htmx:load", (event) => reveal(event.target));
  reveal(document);
})();
