/** One tooltip for many elements: it shows what the pointer, the focus or a finger is on. */

import { h, setAttributes, setStyle } from "./dom";

export interface Tooltip {
  readonly element: HTMLElement;
  /** Explain an element: what `say` gives is shown below it. */
  explain(target: HTMLElement, say: () => (Node | string)[]): void;
  hide(): void;
}

/** @param frame the positioned element that the tooltip is put into, and stays inside */
export function createTooltip(frame: () => HTMLElement, signal: AbortSignal): Tooltip {
  const id = `fpattr-${Math.random().toString(36).slice(2)}`;
  const element = h("div", { class: "fpattr-tooltip", role: "tooltip", id, hidden: true });
  let shown: HTMLElement | null = null;
  // The pointer may rest on the tooltip itself: WCAG 2.2, 1.4.13.
  element.addEventListener("pointerleave", (event) => leave(event), { signal });
  signal.addEventListener("abort", hide, { once: true });
  return { element, explain, hide };

  function explain(target: HTMLElement, say: () => (Node | string)[]): void {
    const show = () => showAt(target, say());
    for (const type of ["pointerenter", "focus", "click"]) {
      target.addEventListener(type, show, { signal });
    }
    target.addEventListener("pointerleave", leave, { signal });
    target.addEventListener("blur", hide, { signal });
  }

  function showAt(target: HTMLElement, content: (Node | string)[]): void {
    if (shown && shown !== target) setAttributes(shown, { "aria-describedby": undefined });
    if (!shown) document.addEventListener("keydown", hideOnEscape, { capture: true });
    shown = target;
    element.replaceChildren(...content);
    setAttributes(element, { hidden: false });
    setAttributes(target, { "aria-describedby": id });
    const [place, around] = [target.getBoundingClientRect(), frame().getBoundingClientRect()];
    const middle = place.left + place.width / 2 - around.left;
    const room = around.width - element.offsetWidth;
    const left = Math.max(0, Math.min(middle - element.offsetWidth / 2, room));
    setStyle(element, "left", `${Math.round(left)}px`);
    setStyle(element, "top", `${Math.round(place.bottom - around.top)}px`);
  }

  function hide(): void {
    if (!shown) return;
    document.removeEventListener("keydown", hideOnEscape, { capture: true });
    setAttributes(shown, { "aria-describedby": undefined });
    setAttributes(element, { hidden: true });
    shown = null;
  }

  function leave({ relatedTarget }: PointerEvent): void {
    const to = relatedTarget instanceof Node ? relatedTarget : null;
    if (!element.contains(to) && !shown?.contains(to)) hide();
  }

  function hideOnEscape(event: KeyboardEvent): void {
    if (event.key !== "Escape") return;
    hide();
    event.stopPropagation();
  }
}
