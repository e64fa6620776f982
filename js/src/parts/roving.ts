/** A group of buttons that is one stop of Tab, and in which arrow keys walk. */

import { setAttributes } from "./dom";

export function rove(buttons: readonly HTMLElement[], signal: AbortSignal): void {
  const stopAt = (index: number) => {
    buttons.forEach((button, i) => {
      setAttributes(button, { tabindex: i === index ? 0 : -1 });
    });
  };
  const walk = (event: KeyboardEvent, index: number) => {
    const top = buttons[0]?.offsetTop;
    const across = buttons.filter(({ offsetTop }) => offsetTop === top).length;
    const next = {
      ...{ ArrowLeft: index - 1, ArrowRight: index + 1 },
      ...{ ArrowUp: index - across, ArrowDown: index + across },
      ...{ Home: 0, End: buttons.length - 1 },
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    buttons[next]?.focus();
  };
  buttons.forEach((button, index) => {
    button.addEventListener("focus", () => stopAt(index), { signal });
    button.addEventListener("keydown", (event) => walk(event, index), { signal });
  });
  stopAt(0);
}
