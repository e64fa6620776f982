/** Small controls: choices of a few words, and buttons. */

import { h, setAttributes } from "./dom";

export interface Choice<T extends string> {
  readonly element: HTMLElement;
  show(value: T): void;
  /** Say why a value cannot be chosen now; `""` where it can. */
  refuse(value: T, why: string): void;
}

/** A row of buttons of which one is pressed. `options` gives each value's explanation. */
export function choice<T extends string>(
  label: string,
  options: Record<T, string>,
  choose: (value: T) => void,
  signal: AbortSignal,
): Choice<T> {
  const buttons = (Object.keys(options) as T[]).map((value) => {
    const title = options[value];
    const button = h("button", { type: "button", title, "data-value": value }, value);
    button.addEventListener(
      "click",
      () => button.getAttribute("aria-disabled") !== "true" && choose(value),
      {
        signal,
      },
    );
    return button;
  });
  const element = h(
    "span",
    { class: "fpattr-choice", role: "group", "aria-label": label },
    ...buttons,
  );
  return {
    element,
    show(value) {
      for (const button of buttons) {
        setAttributes(button, { "aria-pressed": String(button.dataset.value === value) });
      }
    },
    refuse(value, why) {
      const button = buttons.find(({ dataset }) => dataset.value === value);
      if (!button) return;
      setAttributes(button, { "aria-disabled": why ? "true" : undefined });
      setAttributes(button, { title: why || options[value] });
    },
  };
}
