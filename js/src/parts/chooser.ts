/** Another picture in the place of this one: chosen, dropped or pasted. */

import { isEditable, type SideIndex } from "../values/sides";
import type { Context, Part } from "./context";
import { h, setAttributes, setText } from "./dom";
import { bounded } from "./upload";

export interface Chooser extends Part {
  readonly button: HTMLElement;
}

/** Drops are taken on `stage`, and what is pasted while the focus is inside the view. */
export function createChooser(context: Context, side: SideIndex, stage: HTMLElement): Chooser {
  const { store, root, signal } = context;
  const input = h("input", { type: "file", accept: "image/*", class: "fpattr-file", hidden: true });
  const button = h(
    "button",
    {
      type: "button",
      class: "fpattr-button fpattr-choose",
      title: "Choose another picture; or drop one here, or paste one",
    },
    "change picture",
  );
  const refused = h("div", {
    class: "fpattr-refused",
    "data-kind": "image",
    role: "alert",
    hidden: true,
  });
  const element = h("div", { class: "fpattr-choosing", hidden: true }, input, refused);

  button.addEventListener("click", () => input.click(), { signal });
  input.addEventListener(
    "change",
    () => {
      take(input.files);
      input.value = "";
    },
    { signal },
  );
  stage.addEventListener("dragover", (event) => drag(event, true), { signal });
  stage.addEventListener("dragleave", (event) => drag(event, false), { signal });
  stage.addEventListener(
    "drop",
    (event) => {
      drag(event, false);
      if (editable()) take(event.dataTransfer?.files);
    },
    { signal },
  );
  root.addEventListener(
    "paste",
    (event) => {
      const files = event.clipboardData?.files;
      if (!editable() || !files?.length) return;
      event.preventDefault();
      event.stopPropagation();
      take(files);
    },
    { signal },
  );
  return { element, button, paint };

  function editable(): boolean {
    return store.settings.editable && isEditable(context.sides);
  }

  function drag(event: DragEvent, over: boolean): void {
    if (!editable() || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    setAttributes(stage, { "data-drop": over });
  }

  function take(files: FileList | null | undefined): void {
    const file = files?.[0];
    if (!file) return;
    bounded(file)
      .then((bytes) => {
        if (!signal.aborted) store.edit({ type: "file", side }, bytes);
      })
      .catch(() => store.refuse(side, "This file cannot be read: choose a PNG or JPEG image."));
  }

  function paint(): void {
    const reason = store.refused[side];
    setAttributes(element, { hidden: !editable() });
    setAttributes(button, { hidden: !editable() });
    setText(refused, reason);
    setAttributes(refused, { hidden: !reason });
  }
}
