/** The line that says what is looked at, the progress of the rows, and a failure's sentence. */

import type { Context, Part } from "./context";
import { h, setAttributes, setStyle, setText } from "./dom";
import { line, type Piece } from "./line";
import type { Look } from "./look";

export function createLine({ store }: Context): Part {
  const element = h("footer", { class: "fpattr-line", role: "status", "aria-live": "polite" });
  let said = "";
  return {
    element,
    paint(look: Look) {
      const { subject, similarity, absence, pairs } = store;
      const missing = pairs.tokens - pairs.count;
      const pieces = line({ subject, look, similarity, absence, missing });
      const now = JSON.stringify(pieces);
      if (now === said) return;
      said = now;
      element.replaceChildren(...pieces.map(pieceElement));
    },
  };
}

function pieceElement({ text, kind }: Piece): HTMLElement {
  if (kind === "name") return h("bdi", { "data-kind": kind }, text);
  return h("span", { "data-kind": kind }, text);
}

export function createProgress({ store }: Context): Part {
  const bar = h("div", {});
  const element = h("div", { class: "fpattr-progress", "aria-label": "Rows computed" }, bar);
  return {
    element,
    paint() {
      const { count, tokens, complete } = store.pairs;
      const busy = !complete && store.absence === "computing";
      setAttributes(element, {
        role: busy ? "progressbar" : "presentation",
        "data-busy": busy,
        "aria-valuenow": busy ? count : undefined,
        "aria-valuemin": busy ? 0 : undefined,
        "aria-valuemax": busy ? tokens : undefined,
      });
      setStyle(bar, "inline-size", `${(100 * count) / (tokens || 1)}%`);
    },
  };
}

export function createFailure({ store, signal }: Context): Part {
  const text = h("span", {});
  const close = h("button", { type: "button", "aria-label": "Dismiss" }, "×");
  close.addEventListener("click", () => store.dismissFailure(), { signal });
  const element = h("div", { class: "fpattr-failure", role: "alert", hidden: true }, text, close);
  return {
    element,
    paint() {
      setText(text, store.failure);
      setAttributes(element, { hidden: store.failure === "" });
    },
  };
}
