/** The similarity, the steps that lead to it, each of which explains itself, and what made it. */

import { fixed, plain } from "../values/format";
import {
  addsUp,
  doesNotAddUp,
  madeOf,
  type Step,
  type Waterfall,
  waterfall,
} from "../values/ledger";
import { HALVES } from "../values/parts";
import type { LedgerState } from "../values/shapes";
import type { Context, Part } from "./context";
import { h, setAttributes, setStyle, setText } from "./dom";
import { createHelp } from "./help";
import { createTooltip } from "./tooltip";

const UNIT = "cosine similarity"; // where a model of another version says nothing

export function createHeader(context: Context): Part {
  const { store, signal } = context;
  const number = h("span", { class: "fpattr-number" });
  const unit = h("span", { class: "fpattr-small" });
  const score = h("div", { class: "fpattr-score" }, number, unit);
  const ledger = h("div", { class: "fpattr-ledger", role: "group" });
  const made = h("span", {});
  const help = createHelp(context);
  const about = h("div", { class: "fpattr-about fpattr-small" }, made, help.button);
  const tooltip = createTooltip(() => element, signal);
  const element = h(
    "header",
    { class: "fpattr-header" },
    score,
    about,
    ledger,
    tooltip.element,
    help.element,
  );
  let drawn: unknown[] = [];
  return { element, paint };

  function paint(): void {
    const { similarity, ledger: now, about, subject } = store;
    setText(unit, unitOf());
    const without = now?.left_out_name ? `without ${now.left_out_name}` : "";
    setText(made, [about.model, about.method, without].filter(Boolean).join(" · "));
    setAttributes(ledger, { "data-shown": context.part || undefined });
    // While something else is computed, what was shown stays, faint.
    setAttributes(element, { "data-stale": now === null });
    help.paint();
    const halves = HALVES.filter((half) => subject.parts.includes(half));
    const complete = ["", ...halves].map((part) => store.pairsOf(part).complete);
    const next = [now, similarity, context.sides, ...complete];
    if (next.every((value, i) => value === drawn[i])) return;
    drawn = next;
    if (now === null) {
      setAttributes(ledger, { "aria-label": "Ledger: not computed yet" });
      if (similarity !== null) setText(number, plain(similarity));
      else if (number.textContent === "") setText(number, "–");
      return;
    }
    tooltip.hide();
    if (addsUp(now)) {
      draw(
        waterfall(now, subject.sides, context.sides, (part) => store.pairsOf(part)),
        now,
      );
    } else {
      setText(number, plain(now.similarity));
      setAttributes(ledger, { "aria-label": "Ledger" });
      ledger.replaceChildren(h("p", { class: "fpattr-small" }, doesNotAddUp(now)));
    }
  }

  function unitOf(): string {
    return store.about.unit_label || UNIT;
  }

  function draw(fall: Waterfall, { pairs }: LedgerState): void {
    const { steps, end, decimals } = fall;
    const text = steps.map(({ name, value }) => `${name} ${fixed(value, decimals, true)}`);
    setText(number, fixed(end, decimals));
    setAttributes(ledger, {
      "aria-label": `Ledger: ${text.join(", ")}; together ${fixed(end, decimals)}`,
    });
    const last = column("sum", `= ${fixed(end, decimals)}`, "together", fall, end, [
      bar(fall, 0, end, "fpattr-bar"),
    ]);
    tooltip.explain(last, () => [
      title(`${unitOf()} ${fixed(end, decimals)}`),
      "What all steps come to.",
    ]);
    const columns = steps.map((step) => stepColumn(step, fall));
    const halves = columns.filter((_, i) => isHalf(steps[i]));
    const together = h(
      "div",
      { class: "fpattr-halves" },
      ...halves,
      h("span", { class: "fpattr-whole" }, `pairs ${fixed(pairs, decimals, true)}`),
    );
    const others = columns.filter((column) => !halves.includes(column));
    ledger.replaceChildren(...(halves.length > 0 ? [together] : []), ...others, last);
  }

  function stepColumn(step: Step, fall: Waterfall): HTMLElement {
    const { key, name, value, start, stop, up, explanation } = step;
    const { decimals } = fall;
    const bars = [bar(fall, start, stop, "fpattr-bar")];
    if (up > 0) {
      bars.unshift(
        bar(fall, start, start + up, "fpattr-bar", "up"),
        bar(fall, start + up, stop, "fpattr-bar", "down"),
      );
    }
    const says = fixed(value, decimals, true);
    const element = column(key, says, name, fall, stop, bars);
    setAttributes(element, {
      "data-sign": value < 0 ? "negative" : "positive",
      "data-signed": key === "pairs" || key === "special" || isHalf(step),
    });
    tooltip.explain(element, () => {
      const parts = madeOf(step, decimals);
      const made = parts ? [h("span", { class: "fpattr-made" }, parts)] : [];
      return [title(`${name} ${says}`), ...made, explanation];
    });
    return element;
  }
}

function isHalf(step: Step | undefined): boolean {
  return step !== undefined && (HALVES as string[]).includes(step.key);
}

function title(text: string): HTMLElement {
  return h("strong", {}, text);
}

/** A column of the waterfall; from its `level` a line leads to the next. */
function column(
  key: string,
  value: string,
  name: string,
  fall: Waterfall,
  level: number,
  bars: HTMLElement[],
): HTMLElement {
  const lead = h("span", { class: "fpattr-lead" });
  setStyle(lead, "top", top(fall, level));
  const zero = h("span", { class: "fpattr-zero" });
  setStyle(zero, "top", top(fall, 0));
  return h(
    "button",
    { type: "button", class: "fpattr-step", "data-part": key },
    h("span", { class: "fpattr-addend" }, value),
    h("span", { class: "fpattr-plot", "aria-hidden": "true" }, zero, ...bars, lead),
    h("span", { class: "fpattr-what" }, name),
  );
}

function bar(fall: Waterfall, from: number, to: number, name: string, way = ""): HTMLElement {
  const element = h("span", { class: name, "data-way": way || undefined });
  setStyle(element, "top", top(fall, Math.max(from, to)));
  setStyle(element, "height", `${share(fall, Math.abs(to - from))}%`);
  return element;
}

function top(fall: Waterfall, value: number): string {
  return `${share(fall, fall.high - value)}%`;
}

function share({ low, high }: Waterfall, length: number): number {
  return Number(((100 * length) / (high - low || 1)).toFixed(3));
}
