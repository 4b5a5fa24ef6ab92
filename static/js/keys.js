// Keys: "g" and a letter goes to a list, n new sweep, t theme, ? shows them all.
(() => {
  "use strict";
  const PLACES = { o: "/", s: "/sweeps/", r: "/runs/", n: "/networks/", d: "/devices/", v: "/reviews/" };
  const DEEDS = {
    n: () => location.assign("/sweeps/new/"),
    t: () => document.dispatchEvent(new CustomEvent("theme:next")),
    "?": () => document.getElementById("keys")?.showModal(),
  };
  let going = 0;

  function writing(target) {
    return target.closest?.("input, textarea, select, [contenteditable], dialog") !== null;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || writing(event.target)) return;
    if (Date.now() - going < 1000 && PLACES[event.key]) location.assign(PLACES[event.key]);
    else if (event.key === "g") return void (going = Date.now());
    else DEEDS[event.key]?.();
    going = 0;
  });
})();
