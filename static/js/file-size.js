// A file input with data-max-bytes says at once, at the field, that a file is too large to send.
(() => {
  "use strict";

  function sayIn(input, text) {
    const field = input.closest(".field");
    field.querySelectorAll(".error").forEach((old) => old.remove());
    field.classList.toggle("invalid", Boolean(text));
    input.setAttribute("aria-invalid", String(Boolean(text)));
    if (!text) return;
    const error = document.createElement("p");
    error.className = "error";
    error.id = `${input.id}_error`;
    error.setAttribute("role", "alert");
    error.textContent = text;
    field.append(error);
  }

  function tooLarge(input) {
    const limit = Number(input.dataset.maxBytes);
    const [file] = input.files;
    if (!file || file.size <= limit) return "";
    return `The file has ${Math.ceil(file.size / 2 ** 20)} MiB; at most ${Math.floor(limit / 2 ** 20)} MiB are taken. Nothing was sent.`;
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches?.("input[type=file][data-max-bytes]")) sayIn(event.target, tooLarge(event.target));
  });
  document.addEventListener("submit", (event) => {
    for (const input of event.target.querySelectorAll("input[type=file][data-max-bytes]")) {
      if (!tooLarge(input)) continue;
      event.preventDefault();
      sayIn(input, tooLarge(input));
      input.focus();
    }
  });
})();
