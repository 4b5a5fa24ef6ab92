// Live frames of a device: one socket per device and page, shared by all who draw from it.
// window.polywebLive.watch(device, { frame, state }) calls frame(frame) with each frame as the server
// sent it, and state("connected" | "reconnecting"). The socket comes back by itself, with back-off.
// Also draws [data-spark="DEVICE"]: power over the last frames; data-total="RAIL RAIL" says which rails add up.
(() => {
  "use strict";

  const REMIND_MS = 5000;
  const RETRY_MS = [500, 1000, 2000, 4000, 5000];
  const SPARK_POINTS = 160;
  const SVG = "http://www.w3.org/2000/svg";
  const feeds = new Map();

  class Feed {
    constructor(device) {
      this.device = device;
      this.watchers = new Set();
      this.state = "reconnecting";
      this.failures = 0;
      this.connect();
      document.addEventListener("visibilitychange", () => this.remind());
    }

    connect() {
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      this.socket = new WebSocket(`${scheme}://${location.host}/ws/devices/${this.device}/`);
      this.socket.addEventListener("open", () => {
        this.failures = 0;
        this.tell("connected");
        this.remind();
        this.timer = setInterval(() => this.remind(), REMIND_MS);
      });
      this.socket.addEventListener("message", (event) => {
        const frame = JSON.parse(event.data);
        for (const watcher of this.watchers) watcher.frame(frame);
      });
      this.socket.addEventListener("close", () => {
        clearInterval(this.timer);
        this.tell("reconnecting");
        setTimeout(() => this.connect(), RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)]);
      });
    }

    // A page in the background does not ask the board for pictures.
    remind() {
      if (document.hidden || this.socket.readyState !== WebSocket.OPEN) return;
      this.socket.send(JSON.stringify({ watching: true }));
    }

    tell(state) {
      this.state = state;
      for (const watcher of this.watchers) watcher.state?.(state);
    }
  }

  function watch(device, watcher) {
    if (!feeds.has(device)) feeds.set(device, new Feed(device));
    const feed = feeds.get(device);
    feed.watchers.add(watcher);
    watcher.state?.(feed.state);
    return () => feed.watchers.delete(watcher);
  }

  function totals(frame, wanted) {
    const rows = frame.rails.flatMap((rail, row) => (!wanted.length || wanted.includes(rail) ? [row] : []));
    return frame.t_s.map((_, column) => {
      const values = rows.map((row) => frame.rails_w[row][column]);
      return values.includes(null) || !values.length ? null : values.reduce((sum, value) => sum + value, 0);
    });
  }

  function spark(place) {
    const wanted = (place.dataset.total ?? "").split(/\s+/).filter(Boolean);
    const values = [];
    const line = document.createElementNS(SVG, "polyline");
    const picture = document.createElementNS(SVG, "svg");
    picture.setAttribute("viewBox", "0 0 100 40");
    picture.setAttribute("preserveAspectRatio", "none");
    picture.setAttribute("aria-hidden", "true");
    Object.assign(picture.style, { display: "block", width: "100%", height: "100%" });
    Object.assign(line.style, { fill: "none", stroke: "var(--accent)", strokeWidth: "1.5", vectorEffect: "non-scaling-stroke" });
    picture.append(line);
    place.replaceChildren(picture);
    let top = 1;
    return watch(place.dataset.spark, {
      frame(frame) {
        if (!place.isConnected) return;
        values.push(...totals(frame, wanted).filter((value) => value !== null));
        values.splice(0, values.length - SPARK_POINTS);
        top = Math.max(top, ...values.map((value) => value * 1.1));
        const step = 100 / (SPARK_POINTS - 1);
        const first = SPARK_POINTS - values.length;
        line.setAttribute(
          "points",
          values.map((value, n) => `${((first + n) * step).toFixed(2)},${(38 - (36 * value) / top).toFixed(2)}`).join(" "),
        );
        place.dataset.watts = values.at(-1)?.toFixed(1) ?? "";
      },
    });
  }

  function prepare(root) {
    const places = [...root.querySelectorAll("[data-spark]")];
    if (root.matches?.("[data-spark]")) places.push(root);
    for (const place of places) {
      if (place.dataset.sparkReady) continue;
      place.dataset.sparkReady = "yes";
      spark(place);
    }
  }

  window.polywebLive = { watch, totals };
  document.addEventListener("htmx:load", (event) => prepare(event.target));
  prepare(document);
})();
