/** Editing the caption where it stands: what is typed is explained as it is typed. */

import type { Context, Part } from "./context";
import { h, setAttributes, setText } from "./dom";

const PAUSE = 400; // ms without a key after which what was typed is explained

/** `text` is the caption that the editor takes the place of. */
export function createEditor(context: Context, text: HTMLElement): Part {
  const { store, signal } = context;
  const field = h("textarea", {
    rows: 1,
    "aria-label": "Caption",
    spellcheck: "false",
    dir: "auto",
  });
  const hint = h("span", { class: "fpattr-small" }, "Enter keeps it, Escape takes it back");
  const editor = h("div", { class: "fpattr-editor", hidden: true }, field, hint);
  const button = h(
    "button",
    { type: "button", class: "fpattr-button fpattr-edit", title: "Edit the caption" },
    "edit",
  );
  const refused = h("div", {
    class: "fpattr-refused",
    "data-kind": "caption",
    role: "alert",
    hidden: true,
  });
  const element = h("div", { class: "fpattr-editing", hidden: true }, editor, button, refused);
  /** What was explained when the editor was opened, and what it last asked for. */
  let original = "";
  let asked = "";
  let closing = false;
  let epoch = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });

  button.addEventListener("click", open, { signal });
  text.addEventListener("dblclick", () => store.editable && open(), { signal });
  field.addEventListener("input", later, { signal });
  field.addEventListener("keydown", onKey, { signal });
  field.addEventListener("blur", keep, { signal });
  return { element, paint };

  function open(): void {
    original = asked = field.value = store.subject.caption;
    closing = false;
    editor.hidden = false;
    text.hidden = button.hidden = true;
    fit();
    field.focus();
    field.select();
  }

  function shut(): void {
    clearTimeout(timer);
    editor.hidden = true;
    text.hidden = button.hidden = false;
  }

  function fit(): void {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  }

  function later(): void {
    fit();
    clearTimeout(timer);
    timer = setTimeout(() => ask(field.value), PAUSE);
  }

  function ask(caption: string): void {
    clearTimeout(timer);
    if (caption === asked) return;
    asked = caption;
    epoch = store.subject.epoch;
    store.edit({ type: "caption", caption });
  }

  /** Stay open until Python has taken it: what is refused is still there to be mended. */
  function keep(): void {
    if (editor.hidden) return;
    ask(field.value);
    closing = true;
    context.update({});
  }

  function onKey(event: KeyboardEvent): void {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      keep();
    } else if (event.key === "Escape") {
      field.value = original;
      ask(original);
      store.refuse("caption", "");
      shut();
      button.focus();
    }
  }

  function paint(): void {
    setAttributes(element, { hidden: !store.editable });
    const { refused: reasons, subject } = store;
    setText(refused, reasons.caption);
    setAttributes(refused, { hidden: !reasons.caption });
    setAttributes(field, { "aria-invalid": reasons.caption ? "true" : undefined });
    if (!closing || editor.hidden) return;
    if (reasons.caption) closing = false;
    else if (asked === original || subject.epoch !== epoch) shut();
  }
}
