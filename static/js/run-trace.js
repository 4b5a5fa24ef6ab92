// One run over time: [data-run-trace="URL"] holds a .chart. The server sends the figure for what is in sight
// (data-run-trace?from&to&points), anew after each zoom; late answers to earlier questions are dropped.
// [data-trace-mode] chooses what dragging does: "zoom", or "select", which fills start and end of the form
// [data-trace-window] and sends it. With data-live="DEVICE" the run is under way: frames are drawn as they
// come, and the axes stand still while somebody points at the chart, has zoomed, or has paused.
(() => {
  "use strict";

  const CONFIG = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
  const QUIET_MS = 160;
  const DRAW_MS = 300;
  const STALE_MS = 10_000;
  const MARGIN = 0.15; // Of what is in sight, fetched beyond it, so that a small move shows no edge.
  const SPANS_S = [30, 60, 120, 300, 600, 1200, 3600, 7200, 21600];
  const MOST_LIVE = 12_000;

  function runTrace(place) {
    const chart = place.querySelector(".chart");
    const note = place.querySelector("[data-trace-note]");
    const form = () => document.querySelector("[data-trace-window]");
    let mode = "zoom";
    let sight = null; // [from, to] as zoomed; null: all of it
    let asked = 0;
    let figure = null;
    let timer = null;

    function url() {
      const query = new URLSearchParams({ points: Math.min(2400, Math.max(600, 2 * chart.clientWidth)) });
      if (sight) {
        const beyond = MARGIN * (sight[1] - sight[0]);
        query.set("from", (sight[0] - beyond).toFixed(6));
        query.set("to", (sight[1] + beyond).toFixed(6));
      }
      const { start, end } = form()?.elements ?? {};
      if (start?.value && end?.value && +end.value > +start.value) {
        query.set("start", start.value);
        query.set("end", end.value);
      }
      return `${place.dataset.runTrace}?${query}`;
    }

    async function fetchFigure() {
      const mine = ++asked;
      place.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(url(), { headers: { accept: "application/json" } });
        const told = await answer.json();
        if (mine !== asked) return; // A later question is under way.
        if (!answer.ok) throw new Error(told.error);
        figure = told.figure;
        say(told);
        await draw();
      } catch (failure) {
        if (mine === asked) note.textContent = `The trace could not be loaded: ${failure.message}. Zoom again to retry.`;
      } finally {
        if (mine === asked) place.removeAttribute("aria-busy");
      }
    }

    function say({ stretch = 1, samples }) {
      place.dataset.stretch = stretch;
      const count = samples.toLocaleString("en");
      if (place.dataset.live) return;
      note.textContent =
        stretch > 1
          ? `${count} samples drawn: the highest and lowest of every ${stretch.toLocaleString("en")}. Zoom in for more.`
          : `Every sample in sight is drawn (${count}).`;
    }

    async function draw() {
      const { data, layout } = polywebCharts.themed(JSON.stringify(figure));
      layout.dragmode = mode;
      layout.selectdirection = "h";
      if (sight) layout.xaxis.range = [...sight];
      shorten(layout);
      if (place.dataset.live) live?.frame(layout);
      await polywebCharts.ready;
      await Plotly.react(chart, data, layout, CONFIG);
      if (chart.dataset.drawn) return;
      chart.dataset.drawn = "yes";
      chart.on("plotly_relayout", moved);
      chart.on("plotly_selected", selected);
    }

    // A phase that is narrower than its name goes without one.
    function shorten(layout) {
      const ends = layout.shapes.filter((shape) => shape.label && shape.xref === "x").flatMap(({ x0, x1 }) => [x0, x1]);
      const [from, to] = sight ?? [Math.min(...ends), Math.max(...ends)];
      for (const shape of layout.shapes) {
        if (!shape.label || shape.xref !== "x") continue;
        const width = ((Math.min(shape.x1, to) - Math.max(shape.x0, from)) / (to - from)) * (chart.clientWidth - 80);
        if (width < 7 * shape.label.text.length) shape.label.text = "";
      }
    }

    function moved(change) {
      if (change["xaxis.autorange"]) sight = null;
      else if ("xaxis.range[0]" in change) sight = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      else if (change["xaxis.range"]) sight = [...change["xaxis.range"]];
      else return;
      place.dataset.sight = sight ? sight.map((t) => t.toFixed(3)).join(" ") : "";
      if (place.dataset.live) return;
      clearTimeout(timer);
      timer = setTimeout(fetchFigure, QUIET_MS);
    }

    function selected(event) {
      if (!event?.range?.x) return;
      const [start, end] = event.range.x.map((t) => t.toFixed(3));
      Plotly.relayout(chart, { selections: [] });
      const { elements } = form();
      elements.start.value = start;
      elements.end.value = end;
      form().requestSubmit();
    }

    for (const button of place.querySelectorAll("[data-trace-mode]")) {
      button.closest("[hidden]")?.removeAttribute("hidden");
      button.addEventListener("click", () => {
        mode = button.dataset.traceMode;
        for (const one of place.querySelectorAll("[data-trace-mode]")) one.setAttribute("aria-pressed", String(one === button));
        Plotly.relayout(chart, { dragmode: mode, selectdirection: "h" });
      });
    }
    document.addEventListener("htmx:load", (event) => {
      if (event.target.id === "window") fetchFigure();
    });
    document.addEventListener("themechange", () => figure && draw());
    const live = place.dataset.live ? follow(place, chart, { figure: () => figure, draw, isZoomed: () => sight !== null }) : null;
    fetchFigure();
  }

  // The moving part: what frames say goes into the figure's own lines.
  function follow(place, chart, { figure, draw, isZoomed }) {
    const [dot, age, pause] = ["dot", "age", "pause"].map((part) => place.querySelector(`[data-trace-${part}]`));
    const wanted = (place.dataset.total ?? "").split(/\s+/).filter(Boolean);
    const phases = [];
    let [span, top] = [SPANS_S[0], 10];
    let isPaused = false;
    let lastSeen = null;
    let isDue = null;

    const isLookedAt = () => chart.matches(":hover, :focus-within") || isZoomed();

    function take(frame) {
      if (frame.run_id !== place.dataset.run || !frame.t_s.length || !figure()) return;
      lastSeen = performance.now();
      const sums = polywebLive.totals(frame, wanted);
      for (const line of figure().data) {
        const row = frame.rails.indexOf(line.meta?.rail);
        const values = line.meta?.column ? frame[line.meta.column] : line.meta?.rail === "total" ? sums : frame.rails_w[row];
        if (!values?.length) continue;
        line.x = [...line.x, ...frame.t_s].slice(-MOST_LIVE);
        line.y = [...line.y, ...values].slice(-MOST_LIVE);
      }
      shade(frame);
      if (!isPaused) isDue ??= setTimeout(paint, DRAW_MS);
    }

    function shade({ phase, t_s }) {
      const now = t_s.at(-1);
      if (phases.at(-1)?.label.text === phase) phases.at(-1).x1 = now;
      else if (phase && figure().layout.meta?.phases?.[phase]) {
        const shape = structuredClone(figure().layout.meta.phases[phase]);
        phases.push(Object.assign(shape, { x0: phases.at(-1)?.x1 ?? t_s[0], x1: now, label: { ...shape.label, text: phase } }));
      }
      figure().layout.shapes = structuredClone(phases);
    }

    function paint() {
      isDue = null;
      if (!isPaused) draw();
    }

    // The ranges only ever grow, in steps, and not while they are looked at.
    function frame(layout) {
      if (!isLookedAt()) {
        const lines = figure().data;
        const last = Math.max(0, ...lines.map((line) => line.x.at(-1) ?? 0));
        const peak = Math.max(1, ...lines.filter((line) => line.meta?.rail).flatMap((line) => line.y.slice(-50)));
        span = SPANS_S.find((step) => step >= Math.max(last, span)) ?? last;
        while (top < peak) top *= 1.5;
      }
      if (!isZoomed()) layout.xaxis.range = [0, span];
      layout.yaxis.range = [0, top];
      for (const note of layout.annotations ?? []) note.text = "batches appear with the record";
    }

    function sayAge() {
      if (lastSeen === null) age.textContent = "No sample yet: the picture begins with the next one.";
      else {
        const passed = performance.now() - lastSeen;
        const held = isLookedAt() ? " Axes stand still while you look." : "";
        age.textContent = isPaused ? "Paused." : `Last sample ${(passed / 1000).toFixed(passed < 10_000 ? 1 : 0)} s ago.${held}`;
        if (dot.dataset.live !== "reconnecting") show(passed > STALE_MS ? "stale" : "connected");
      }
    }

    function show(state) {
      if (dot.dataset.live === state) return;
      dot.dataset.live = state;
      dot.textContent = state;
    }

    pause.hidden = false;
    pause.addEventListener("click", () => {
      isPaused = !isPaused;
      pause.setAttribute("aria-pressed", String(isPaused));
      pause.textContent = isPaused ? "Go on" : "Pause";
      sayAge();
      paint();
    });
    polywebLive.watch(place.dataset.live, { frame: take, state: show });
    setInterval(sayAge, 500);
    return { frame };
  }

  for (const place of document.querySelectorAll("[data-run-trace]")) runTrace(place);
})();
