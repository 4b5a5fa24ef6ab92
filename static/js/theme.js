// The theme: light, dark, or as the system. Loaded before the first paint, so not deferred.
(() => {
  "use strict";
  const root = document.documentElement;
  const CHOICES = ["light", "dark", "system"];

  function kept() {
    try {
      const choice = localStorage.getItem("theme");
      return CHOICES.includes(choice) ? choice : "system";
    } catch {
      return "system"; // Storage is blocked: follow the system.
    }
  }

  function apply(choice) {
    if (choice === "system") delete root.dataset.theme;
    else root.dataset.theme = choice;
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
    }
    // Charts listen for this and draw themselves anew from the tokens.
    document.dispatchEvent(new CustomEvent("themechange"));
  }

  function choose(choice) {
    try {
      localStorage.setItem("theme", choice);
    } catch {
      // The choice then holds for this page only.
    }
    apply(choice);
  }

  apply(kept());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(kept()));
  addEventListener("storage", (event) => event.key === "theme" && apply(kept()));
  document.addEventListener("DOMContentLoaded", () => {
    for (const group of document.querySelectorAll("[data-theme-switch]")) group.hidden = false;
    apply(kept());
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (button) choose(button.dataset.themeChoice);
  });
  document.addEventListener("theme:next", () => {
    choose(CHOICES[(CHOICES.indexOf(kept()) + 1) % CHOICES.length]);
  });
})();
