// Charts: <div class="chart" data-figure="ID"> draws the Plotly figure in <script type="application/json" id="ID">.
// Colours are names of CSS custom properties in the figure (trace.meta.token, shape.name); they are
// looked up here, so a chart follows the theme without asking the server. A figure that htmx swaps in
// is drawn into the chart that stands, with its zoom kept. Only charts that can be seen are drawn.
(() => {
  "use strict";

  const CONFIG = {
    displaylogo: false,
    responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };
  const drawn = new WeakMap(); // chart -> the JSON text that it shows

  function token(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function faded(colour, alpha) {
    return colour.replace(/^rgb\(([^)]+)\)$/, `rgba($1, ${alpha})`);
  }

  function themeTrace(trace) {
    const colour = trace.meta?.token && token(trace.meta.token);
    if (trace.meta?.flat) {
      const flat = token(trace.meta.flat);
      trace.colorscale = [[0, flat], [1, flat]];
    }
    if (trace.colorbar) {
      const font = { color: token("--text-quiet"), size: 12 };
      trace.colorbar.tickfont = font;
      trace.colorbar.title.font = font;
    }
    if (!colour) return;
    trace.line = { ...trace.line, color: colour };
    if (trace.meta.band) trace.fillcolor = faded(colour, trace.meta.band);
    trace.marker = { ...trace.marker, color: colour };
    trace.marker.line = { color: colour, ...trace.marker.line };
    if (trace.type === "bar") trace.marker.line = { width: 0 };
    if (trace.error_y) trace.error_y.color = faded(colour, 0.5);
    if (trace.error_x) trace.error_x.color = token("--text");
    if (trace.textposition) trace.textfont = { color: token("--text") };
  }

  function themeShape(shape) {
    if (!shape.name) return;
    if (shape.type === "rect" && !shape.line?.width) shape.fillcolor = token(shape.name);
    else shape.line = { ...shape.line, color: token(shape.name) };
    if (shape.label) shape.label.font = { ...shape.label.font, color: token("--text") };
  }

  function themeAxis(axis) {
    const [line, quiet] = [token("--line"), token("--text-quiet")];
    Object.assign(axis, { gridcolor: line, linecolor: line, tickcolor: line, tickfont: { color: quiet } });
    if (axis.title) axis.title.font = { size: 12, color: quiet };
  }

  function themed(text) {
    const { data, layout } = JSON.parse(text);
    data.forEach(themeTrace);
    (layout.shapes ?? []).forEach(themeShape);
    for (const note of layout.annotations ?? []) note.font = { ...note.font, color: token(note.name ?? "--text") };
    for (const key of Object.keys(layout)) if (/^[xy]axis\d*$/.test(key)) themeAxis(layout[key]);
    if (layout.meta?.plot) layout.plot_bgcolor = token(layout.meta.plot);
    layout.uirevision = "kept"; // New data, same zoom. It does not work from a template.
    layout.font = { color: token("--text"), family: getComputedStyle(document.body).fontFamily, size: 12 };
    layout.hoverlabel = {
      align: "left",
      bgcolor: token("--surface-raised"),
      bordercolor: token("--line-strong"),
      font: { color: token("--text"), size: 12 },
    };
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: token("--text-quiet"), activecolor: token("--text") };
    return { data, layout };
  }

  function open(event) {
    const url = event.points?.[0]?.customdata;
    const isServed = location.protocol !== "file:"; // An evidence pack's report has no pages behind it.
    if (!isServed || typeof url !== "string" || !url.startsWith("/")) return;
    if (event.event?.ctrlKey || event.event?.metaKey) window.open(url, "_blank", "noopener");
    else location.assign(url);
  }

  function draw(chart, { anew = false } = {}) {
    const text = document.getElementById(chart.dataset.figure)?.textContent;
    if (!window.Plotly || !text || (!anew && drawn.get(chart) === text) || !chart.offsetWidth) return;
    const isFirst = !drawn.has(chart);
    drawn.set(chart, text);
    const { data, layout } = themed(text);
    if (chart.dataset.fill !== undefined) delete layout.height; // As tall as its place.
    Plotly.react(chart, data, layout, CONFIG).then(() => {
      if (!isFirst) return;
      chart.on("plotly_click", open);
      chart.dispatchEvent(new CustomEvent("chart:drawn", { bubbles: true }));
    });
  }

  const waiting = new Set(); // One chart for each task: the first can be seen while the next is drawn.

  function drawNext() {
    const [chart] = waiting;
    waiting.delete(chart);
    if (waiting.size) setTimeout(drawNext);
    draw(chart);
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      if (!waiting.size) setTimeout(drawNext);
      waiting.add(entry.target);
    }
  }, { rootMargin: "1200px" });

  function each(deed) {
    for (const chart of document.querySelectorAll(".chart[data-figure]")) deed(chart);
  }

  function refresh() {
    each((chart) => {
      seen.observe(chart);
      if (drawn.has(chart)) draw(chart);
    });
  }

  document.addEventListener("themechange", () => each((chart) => drawn.has(chart) && draw(chart, { anew: true })));
  document.addEventListener("tab:shown", (event) => {
    for (const chart of event.target.querySelectorAll(".chart[data-figure]")) {
      if (drawn.has(chart)) Plotly.Plots.resize(chart);
      draw(chart);
    }
  });
  // Plotly is large: the page does not wait for it, only its charts do.
  const ready = new Promise((resolve) => {
    if (window.Plotly) resolve();
    else document.querySelector("script[data-plotly]")?.addEventListener("load", resolve);
  });
  window.polywebCharts = { ready, themed };
  for (const swapped of ["htmx:afterSettle", "htmx:oobAfterSwap", "chart:added"]) document.addEventListener(swapped, refresh);
  refresh();
  ready.then(() => each((chart) => {
    seen.unobserve(chart); // What is in sight already would not be told again.
    seen.observe(chart);
  }));
})();
