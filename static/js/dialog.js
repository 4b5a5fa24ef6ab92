// [data-dialog="id"] opens the <dialog> with that id; [data-copy="selector"] copies a text;
// form[data-confirm="Question"] asks before it is sent.
(() => {
  "use strict";

  function revealControls(root) {
    for (const control of root.querySelectorAll("[data-dialog], [data-copy]")) control.hidden = false;
  }

  async function copy(button) {
    const label = button.querySelector("span") ?? button;
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
      label.textContent = "Copied";
    } catch {
      label.textContent = "Mark it and copy";
    }
    setTimeout(() => (label.textContent = before), 2000);
  }

  function ask(form) {
    const dialog = document.createElement("dialog");
    const question = document.createElement("p");
    const buttons = document.createElement("form");
    const yes = document.createElement("button");
    const no = document.createElement("button");
    question.textContent = form.dataset.confirm;
    buttons.method = "dialog";
    buttons.className = "form-actions";
    yes.className = "button danger";
    yes.value = "yes";
    yes.textContent = form.dataset.confirmVerb ?? "Go on";
    no.className = "button";
    no.value = "no";
    no.autofocus = true;
    no.textContent = "Keep";
    buttons.append(yes, no);
    dialog.append(question, buttons);
    document.body.append(dialog);
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (dialog.returnValue !== "yes") return;
      form.dataset.confirmed = "yes";
      form.requestSubmit();
    });
    dialog.showModal();
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) document.getElementById(opener.dataset.dialog)?.showModal();
    const copier = event.target.closest("[data-copy]");
    if (copier) copy(copier);
    if (event.target instanceof HTMLDialogElement) event.target.close(); // The backdrop.
  });
  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      if (!form.dataset.confirm || form.dataset.confirmed) return;
      event.preventDefault();
      event.stopPropagation();
      ask(form);
    },
    true,
  );
  document.addEventListener("htmx:load", (event) => revealControls(event.target));
  revealControls(document);
})();
