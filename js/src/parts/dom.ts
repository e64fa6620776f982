/** Making and changing elements. Text is only ever text: no function here parses HTML. */

type Attributes = Record<string, string | number | boolean | undefined>;

/** An element; `true` sets an empty attribute, `false` and `undefined` set none. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Node[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/** Set what differs; `false` and `undefined` take an attribute away. */
export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) element.removeAttribute(name);
    else {
      const text = value === true ? "" : String(value);
      if (element.getAttribute(name) !== text) element.setAttribute(name, text);
    }
  }
}

export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function setStyle(element: HTMLElement, property: string, value: string): void {
  if (element.style.getPropertyValue(property) === value) return;
  if (value) element.style.setProperty(property, value);
  else element.style.removeProperty(property);
}

/** Call `show` when the pointer or the focus comes to an element, and `hide` when it leaves. */
export function onPointed(
  element: HTMLElement,
  show: () => void,
  hide: () => void,
  signal: AbortSignal,
): void {
  for (const type of ["pointerenter", "focus"]) element.addEventListener(type, show, { signal });
  for (const type of ["pointerleave", "blur"]) element.addEventListener(type, hide, { signal });
}

/** Text for those who listen. */
export function unseen(text: string): HTMLElement {
  return h("span", { class: "fpattr-unseen" }, text);
}
