// Charts whose figure says layout.meta.brush: traces are lines over axes at x = 0, 1, 2 …, and a box dragged
// over an axis keeps the lines that pass through it there. Boxes on several axes are all asked for; a
// double click forgets them. Lines that are not kept fade.
(() => {
  "use strict";

  const FADED = 0.07;

  function brush(chart) {
    const kept = new Map(); // axis -> [low, high]

    function apply() {
      const opacity = chart.data.map((line) =>
        [...kept].every(([axis, [low, high]]) => line.y[axis] >= low && line.y[axis] <= high) ? 1 : FADED,
      );
      Plotly.restyle(chart, { opacity, selectedpoints: null });
      const count = opacity.filter((one) => one === 1).length;
      chart.dataset.kept = kept.size ? String(count) : "";
    }

    chart.on("plotly_selected", (event) => {
      if (!event?.range) return;
      const [left, right] = [...event.range.x].sort((a, b) => a - b);
      const range = [...event.range.y].sort((a, b) => a - b);
      for (let axis = Math.ceil(left); axis <= right; axis++) if (axis >= 0) kept.set(axis, range);
      apply();
    });
    chart.on("plotly_doubleclick", () => {
      kept.clear();
      apply();
    });
    chart.on("plotly_deselect", () => {
      kept.clear();
      apply();
    });
  }

  document.addEventListener("chart:drawn", (event) => {
    const chart = event.target;
    if (chart.layout?.meta?.brush) brush(chart);
  });
})();
