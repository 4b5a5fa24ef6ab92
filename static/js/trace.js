// The live power trace: [data-trace="DEVICE"] holds a canvas, a live dot, an age, a pause button and one
// [data-rail="NAME"] cell per rail. The last two minutes of board time, newest at the right edge; the
// scale only ever grows, so that nothing jumps while somebody looks. Runs follow each other with a gap.
(() => {
  "use strict";

  const SPAN_S = 120;
  const GAP_S = 1;
  const STALE_MS = 10_000;
  const MARGIN = { left: 44, right: 12, top: 10, bottom: 24 };
  const STEPS = [2, 4, 8, 12, 16, 20, 24, 32, 40, 60, 80, 100, 120, 160, 200];

  function trace(place) {
    const rails = JSON.parse(document.getElementById(place.dataset.rails).textContent);
    const canvas = place.querySelector("canvas");
    const [dot, age, pause] = ["dot", "age", "pause"].map((part) => place.querySelector(`[data-trace-${part}]`));
    const wanted = rails.filter((rail) => rail.in_total).map((rail) => rail.name);
    const total = { name: "total", token: "--text", width: 2, values: [] };
    const lines = [total, ...rails.map((rail) => ({ name: rail.name, token: `--rail-${rail.part}`, width: 1.25, values: [] }))];
    let times = [];
    let starts = [];
    let top = 8;
    let offset = 0;
    let run = null;
    let lastSeen = null;
    let paused = false;
    let dirty = false;

    function forget() {
      const from = times.findIndex((t) => t >= times.at(-1) - SPAN_S);
      if (from <= 0) return;
      times = times.slice(from);
      for (const line of lines) line.values = line.values.slice(from);
      starts = starts.filter((start) => start.t >= times[0]);
    }

    function follow(frame) {
      const last = times.at(-1);
      if (last === undefined) offset = 0;
      else if (frame.run_id !== run) {
        offset = last + GAP_S - frame.t_s[0];
        times.push(last + GAP_S / 2);
        for (const line of lines) line.values.push(null);
        starts.push({ t: last + GAP_S });
      } else if (frame.t_s[0] + offset < last) offset = last - frame.t_s[0];
      run = frame.run_id;
    }

    function take(frame) {
      lastSeen = performance.now();
      if (!frame.t_s.length) return;
      follow(frame);
      const sums = polywebLive.totals(frame, wanted);
      frame.t_s.forEach((t, column) => {
        times.push(t + offset);
        total.values.push(wanted.length ? sums[column] : null);
        for (const line of lines.slice(1)) line.values.push(frame.rails_w[frame.rails.indexOf(line.name)]?.[column] ?? null);
      });
      const peak = Math.max(...lines.flatMap((line) => line.values.slice(-frame.t_s.length)).filter((w) => w !== null), 0);
      if (peak > top) top = STEPS.find((step) => step >= peak) ?? Math.ceil(peak / 100) * 100;
      forget();
      ask();
    }

    function ask() {
      if (dirty || paused) return;
      dirty = true;
      requestAnimationFrame(paint);
    }

    function paint() {
      dirty = false;
      const [width, height] = [canvas.clientWidth, canvas.clientHeight];
      if (!width || !height) return;
      const scale = devicePixelRatio;
      if (canvas.width !== width * scale || canvas.height !== height * scale) {
        canvas.width = width * scale;
        canvas.height = height * scale;
      }
      const pen = canvas.getContext("2d");
      const style = getComputedStyle(document.documentElement);
      const colour = (name) => style.getPropertyValue(name).trim();
      const inner = { w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - MARGIN.bottom };
      const end = times.at(-1) ?? 0;
      const x = (t) => MARGIN.left + inner.w * (1 - (end - t) / SPAN_S);
      const y = (w) => MARGIN.top + inner.h * (1 - w / top);
      pen.setTransform(scale, 0, 0, scale, 0, 0);
      pen.clearRect(0, 0, width, height);
      pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
      axes(pen, { colour, inner, y });
      pen.save();
      pen.beginPath();
      pen.rect(MARGIN.left, MARGIN.top, inner.w, inner.h);
      pen.clip();
      pen.strokeStyle = colour("--line-strong");
      pen.setLineDash([2, 3]);
      for (const start of starts) stroke(pen, [[x(start.t), MARGIN.top], [x(start.t), MARGIN.top + inner.h]]);
      pen.setLineDash([]);
      for (const line of [...lines].reverse()) curve(pen, line, { colour, x, y });
      pen.restore();
      for (const line of lines) tell(line);
    }

    function axes(pen, { colour, inner, y }) {
      pen.strokeStyle = colour("--line");
      pen.fillStyle = colour("--text-quiet");
      pen.lineWidth = 1;
      pen.textBaseline = "middle";
      pen.textAlign = "right";
      for (let n = 0; n <= 4; n++) {
        const watts = (top * n) / 4;
        stroke(pen, [[MARGIN.left, y(watts)], [MARGIN.left + inner.w, y(watts)]]);
        pen.fillText(`${+watts.toFixed(2)}${n === 4 ? " W" : ""}`, MARGIN.left - 6, y(watts));
      }
      pen.textBaseline = "alphabetic";
      for (let n = 0; n <= 4; n++) {
        pen.textAlign = n === 0 ? "left" : n === 4 ? "right" : "center";
        const text = n === 4 ? "now" : `−${(SPAN_S * (4 - n)) / 4} s`;
        pen.fillText(text, MARGIN.left + (inner.w * n) / 4, MARGIN.top + inner.h + 17);
      }
    }

    function stroke(pen, points) {
      pen.beginPath();
      points.forEach(([px, py], n) => (n ? pen.lineTo(px, py) : pen.moveTo(px, py)));
      pen.stroke();
    }

    function curve(pen, line, { colour, x, y }) {
      pen.strokeStyle = colour(line.token);
      pen.lineWidth = line.width;
      pen.beginPath();
      let isDown = false;
      line.values.forEach((watts, n) => {
        const breaks = watts === null || (n && times[n] - times[n - 1] > GAP_S * 2);
        if (watts !== null) pen[isDown && !breaks ? "lineTo" : "moveTo"](x(times[n]), y(watts));
        isDown = watts !== null;
      });
      pen.stroke();
    }

    function tell(line) {
      const cell = place.querySelector(`[data-rail="${CSS.escape(line.name)}"]`);
      const watts = line.values.at(-1);
      if (cell) cell.textContent = watts === null || watts === undefined ? "unknown" : `${watts.toFixed(2)}`;
    }

    function sayAge() {
      if (lastSeen === null) {
        age.textContent = "No sample yet: the board sends some while it measures.";
        return;
      }
      const passed = performance.now() - lastSeen;
      age.textContent = paused ? "Paused." : `Last sample ${(passed / 1000).toFixed(passed < 10_000 ? 1 : 0)} s ago.`;
      if (dot.dataset.live === "reconnecting") return;
      const isStale = passed > STALE_MS;
      if (isStale === (dot.dataset.live === "stale")) return;
      const since = new Date(Date.now() - passed).toLocaleTimeString();
      show(isStale ? "stale" : "connected", isStale ? `stale since ${since}` : "connected");
    }

    function show(state, words = state) {
      dot.dataset.live = state;
      dot.textContent = words;
    }

    polywebLive.watch(place.dataset.trace, { frame: take, state: (state) => show(state) });
    pause.hidden = false;
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      pause.textContent = paused ? "Go on" : "Pause";
      ask();
      sayAge();
    });
    setInterval(sayAge, 500);
    new ResizeObserver(ask).observe(canvas);
    document.addEventListener("themechange", () => {
      dirty = true;
      requestAnimationFrame(paint);
    });
    sayAge();
    ask();
  }

  function prepare(root) {
    const unprepared = "[data-trace]:not([data-trace-ready])";
    const itself = root.matches?.(unprepared) ? [root] : []; // What htmx put in may be the trace itself.
    for (const place of [...itself, ...root.querySelectorAll(unprepared)]) {
      place.dataset.traceReady = "yes";
      trace(place);
    }
  }

  document.addEventListener("htmx:load", (event) => prepare(event.target));
  prepare(document);
})();
