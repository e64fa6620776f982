/** Editing a text where it stands: what is typed is explained as it is typed. */

import { isEditable, type SideIndex } from "../values/sides";
import type { Context, Part } from "./context";
import { h, setAttributes, setText } from "./dom";

const PAUSE = 400; // ms without a key after which what was typed is explained

export interface Edited {
  side: SideIndex;
  /** The text as it is explained. */
  text(): string;
  /** The element that the editor takes the place of. */
  shown: HTMLElement;
  /** What the text is called, in a sentence and as a label. */
  kind: string;
  label: string;
}

export function createEditor(context: Context, edited: Edited): Part {
  const { store, signal } = context;
  const { side, shown } = edited;
  const field = h("textarea", {
    rows: 1,
    "aria-label": edited.label,
    spellcheck: "false",
    dir: "auto",
  });
  const hint = h("span", { class: "fpattr-small" }, "Enter keeps it, Escape takes it back");
  const editor = h("div", { class: "fpattr-editor", hidden: true }, field, hint);
  const button = h(
    "button",
    { type: "button", class: "fpattr-button fpattr-edit", title: `Edit the ${edited.kind}` },
    "edit",
  );
  const refused = h("div", {
    class: "fpattr-refused",
    "data-kind": edited.kind,
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
  shown.addEventListener("dblclick", () => editable() && open(), { signal });
  field.addEventListener("input", later, { signal });
  field.addEventListener("keydown", onKey, { signal });
  field.addEventListener("blur", keep, { signal });
  return { element, paint };

  function open(): void {
    original = asked = field.value = edited.text();
    closing = false;
    editor.hidden = false;
    shown.hidden = button.hidden = true;
    fit();
    field.focus();
    field.select();
  }

  function editable(): boolean {
    return store.settings.editable && isEditable(context.sides);
  }

  function shut(): void {
    clearTimeout(timer);
    editor.hidden = true;
    shown.hidden = button.hidden = false;
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

  function ask(text: string): void {
    clearTimeout(timer);
    if (text === asked) return;
    asked = text;
    epoch = store.subject.epoch;
    store.edit({ type: "text", side, text });
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
      store.refuse(side, "");
      shut();
      button.focus();
    }
  }

  function paint(): void {
    setAttributes(element, { hidden: !editable() });
    const { refused: reasons, subject } = store;
    const reason = reasons[side];
    setText(refused, reason);
    setAttributes(refused, { hidden: !reason });
    setAttributes(field, { "aria-invalid": reason ? "true" : undefined });
    if (!closing || editor.hidden) return;
    if (reason) closing = false;
    else if (asked === original || subject.epoch !== epoch) shut();
  }
}
