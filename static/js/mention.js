// textarea[data-mentions]: after an @ the names of accounts are offered; arrows choose, Enter or Tab takes.
(() => {
  "use strict";
  let list = null; // The open list, below the textarea `list.area`.

  const word = (area) => /(?:^|[\s(])@([\w.+-]*)$/.exec(area.value.slice(0, area.selectionStart));

  function close() {
    list?.area.removeAttribute("aria-controls");
    list?.area.removeAttribute("aria-activedescendant");
    list?.element.remove();
    list = null;
  }

  function choose(index) {
    const items = [...list.element.children];
    list.chosen = (index + items.length) % items.length;
    items.forEach((item, at) => item.setAttribute("aria-selected", String(at === list.chosen)));
    list.area.setAttribute("aria-activedescendant", items[list.chosen].id);
  }

  function take() {
    const { area } = list;
    const name = list.element.children[list.chosen].textContent;
    const end = area.selectionStart;
    area.setRangeText(`${name} `, end - word(area)[1].length, end, "end");
    close();
  }

  function open(area, names) {
    close();
    if (!names.length) return;
    const element = document.createElement("ul");
    element.className = "mention-list";
    element.id = "mention-list";
    element.setAttribute("role", "listbox");
    element.setAttribute("aria-label", "People");
    names.forEach((name, at) => {
      const item = document.createElement("li");
      item.id = `mention-${at}`;
      item.setAttribute("role", "option");
      item.textContent = name;
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        choose(at);
        take();
      });
      element.append(item);
    });
    area.after(element);
    area.setAttribute("aria-controls", element.id);
    list = { area, element, chosen: 0 };
    choose(0);
  }

  // What is offered fits what is typed at every moment, also before the server has answered.
  function narrow(area, beginning) {
    const names = [...list.element.children].map((item) => item.textContent);
    open(area, names.filter((name) => name.toLowerCase().startsWith(beginning.toLowerCase())));
  }

  async function offer(area) {
    const found = word(area);
    if (!found) return close();
    if (list) narrow(area, found[1]);
    const answer = await fetch(`/people/?q=${encodeURIComponent(found[1])}`);
    if (!answer.ok || word(area)?.[1] !== found[1]) return; // Typed on meanwhile.
    open(area, (await answer.json()).names);
  }

  document.addEventListener("input", (event) => {
    if (event.target.matches("textarea[data-mentions]")) offer(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (!list || event.target !== list.area) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) choose(list.chosen + step);
    else if (event.key === "Enter" || event.key === "Tab") take();
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  });
  document.addEventListener("focusout", (event) => list && event.target === list.area && close());
})();
