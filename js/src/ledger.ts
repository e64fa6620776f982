/** The similarity and its ledger: parts that add up, drawn on both sides of a zero line. */

import type { Context, Part } from "./context";
import { h, setAttributes, setStyle, setText } from "./dom";
import { plain } from "./format";
import type { About, Ledger } from "./protocol";

const PARTS = [
  ["pairs", "pairs", "what words and places of the picture contribute together"],
  ["caption_only", "caption alone", "what the caption scores against an uninformative picture"],
  ["image_only", "image alone", "what the picture scores against an uninformative caption"],
  ["baseline", "baseline", "what uninformative caption and picture score together"],
  ["residual", "residual", "what is left: integration error, or what pairs do not explain"],
] as const;

const VISIBLE = 0.005; // a smaller residual would read 0.00

export interface Segment {
  key: keyof Ledger;
  name: string;
  value: number;
  explanation: string;
  /** Percent of the bar. */
  left: number;
  width: number;
}

export interface Bar {
  segments: Segment[];
  /** Where zero and the similarity stand, in percent of the bar. */
  zero: number;
  sum: number;
}

/** Positive parts stack to the right of zero and negative ones to its left, all on one scale. */
export function ledgerBar(ledger: Ledger): Bar {
  const shown = PARTS.filter(([key]) => key !== "residual" || Math.abs(ledger.residual) >= VISIBLE);
  const values = shown.map(([key]) => ledger[key]);
  const above = values.reduce((sum, value) => sum + Math.max(value, 0), 0);
  const below = values.reduce((sum, value) => sum + Math.max(-value, 0), 0);
  const scale = 100 / (above + below || 1);
  const zero = below * scale;
  let [right, left] = [zero, zero];
  const segments = shown.map(([key, name, explanation]) => {
    const value = ledger[key];
    const width = Math.abs(value) * scale;
    if (value < 0) left -= width;
    else right += width;
    const start = value < 0 ? left : right - width;
    return { key, name, value, explanation, left: start, width };
  });
  return { segments, zero, sum: zero + ledger.similarity * scale };
}

export function createHeader({ store }: Context): Part {
  const number = h("span", { class: "fpattr-number" });
  const score = h(
    "div",
    { class: "fpattr-score" },
    number,
    h("span", { class: "fpattr-small" }, "cosine similarity"),
  );
  const bar = h("div", { class: "fpattr-bar" });
  const legend = h("div", { class: "fpattr-parts" });
  const ledger = h("div", { class: "fpattr-ledger", role: "group" }, bar, legend);
  const about = h("div", { class: "fpattr-about fpattr-small" });
  const element = h("header", { class: "fpattr-header" }, score, ledger, about);
  let described: About | undefined;
  let drawn: Ledger | null | undefined;

  return {
    element,
    paint() {
      const { similarity } = store;
      setText(number, similarity === null ? "–" : plain(similarity));
      if (described !== store.about) {
        described = store.about;
        about.replaceChildren(...aboutLines(described).map((text) => h("span", {}, text)));
      }
      if (drawn === store.ledger) return;
      drawn = store.ledger;
      bar.replaceChildren();
      legend.replaceChildren();
      if (!store.ledger) {
        ledger.setAttribute("aria-label", "Ledger: not computed yet");
        return;
      }
      const { segments, zero, sum } = ledgerBar(store.ledger);
      const text = segments.map(({ name, value }) => `${name} ${plain(value)}`).join(", ");
      setAttributes(ledger, {
        "aria-label": `Ledger: ${text}; together ${plain(store.ledger.similarity)}`,
      });
      for (const segment of segments) {
        const { key, name, value, explanation } = segment;
        const sign = value < 0 ? "negative" : "positive";
        const title = `${name} ${plain(value)}: ${explanation}`;
        const piece = h("span", {
          class: "fpattr-part",
          "data-part": key,
          "data-sign": sign,
          title,
        });
        setStyle(piece, "left", `${segment.left}%`);
        setStyle(piece, "width", `${segment.width}%`);
        bar.append(piece);
        const swatch = h("span", { class: "fpattr-swatch", "data-part": key, "data-sign": sign });
        legend.append(
          h("span", { class: "fpattr-entry", title }, swatch, `${name} ${plain(value)}`),
        );
      }
      if (zero > 0) {
        const mark = h("span", { class: "fpattr-zero", title: "zero" });
        setStyle(mark, "left", `${zero}%`);
        const end = h("span", {
          class: "fpattr-sum",
          title: `all parts together: ${plain(store.ledger.similarity)}`,
        });
        setStyle(end, "left", `${sum}%`);
        bar.append(mark, end);
      }
    },
  };
}

function aboutLines({ model, method, layers, nodes }: About): string[] {
  return [[model, method], [layers], [nodes]]
    .map((parts) => parts.filter(Boolean).join(" · "))
    .filter(Boolean);
}
