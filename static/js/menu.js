// <details data-menu>: closes on Escape, on a click elsewhere, and after a choice.
(() => {
  "use strict";
  const open = () => document.querySelectorAll("details.menu[open]");

  document.addEventListener("click", (event) => {
    for (const menu of open()) {
      const chosen = event.target.closest(".menu-items :is(a, button)");
      if (!menu.contains(event.target) || chosen) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
})();
