/** Places that a head reads: of each a bar of what is read of it, and one of what it adds. */

import { decimalsFor, fixed, percent, signed } from "../values/format";
import { ALL } from "../values/parts";
import { type Bar, barsOf, signedPercent } from "../values/read_out";
import { largest } from "../values/sums";
import type { Context } from "./context";
import { h, onPointed, setAttributes, setStyle, unseen } from "./dom";
import { NOT_HERE } from "./part_choice";
import type { Drawn, Shown } from "./read_shown";
import { rove } from "./roving";
import type { Tooltip } from "./tooltip";

const GRACE = 120; // ms for which a place's map stays while the pointer is between two bars
const REST = 120; // ms on a bar after which Python is asked for its map
const FEW = 16; // places beside which there is room for their numbers

export function createPlaces(
  context: Context,
  { reading }: Shown,
  tooltip: Tooltip,
  signal: AbortSignal,
): Drawn {
  const { store } = context;
  const { places, routes, similarity } = reading;
  const isChange = reading.effective === null;
  const share = isChange ? signedPercent : percent;
  const change = isChange ? "Δ " : "";
  const bars = barsOf(reading);
  const sizes = bars.map(({ contribution }) => contribution ?? 0);
  const decimals = decimalsFor(similarity, largest(sizes));
  const reads = rangeOf(bars.map(({ weight }) => weight ?? 0));
  const adds = rangeOf(sizes);
  const buttons = bars.map(column);
  const named = bars.flatMap(({ kind, name }, i) => {
    const button = buttons[i];
    return kind === "place" && button ? [{ name, button }] : [];
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  for (const { name, button } of named) link(name, button);
  rove(buttons, signal);
  const [first] = places;
  const noun = first ? first.name.slice(0, first.name.length - first.label.length) : "";
  const chart = h(
    "div",
    {
      class: "fpattr-places",
      role: "group",
      "aria-label": "Places that were read, and what each adds",
      "data-few": places.length <= FEW,
    },
    stack("legend", plot(`${change}read`), plot(`${change}adds`), noun),
    ...buttons,
    stack("sum", plot(), plot(`= ${fixed(similarity, decimals, isChange)}`), "sum"),
  );
  return {
    elements: [chart],
    mark() {
      for (const { name, button } of named) {
        const offered = store.offers(name);
        setAttributes(button, {
          "aria-pressed": String(offered && store.settings.part === name),
          "data-chosen": context.part === name,
          "aria-disabled": offered ? undefined : "true",
          title: offered ? undefined : NOT_HERE,
        });
      }
    },
  };

  function column(bar: Bar): HTMLButtonElement {
    const { kind, name, label, weight, contribution } = bar;
    const said = [name];
    const plots = [plot(), plot()];
    if (weight !== null) {
      said.push(`${change}read ${share(weight)}`);
      plots[0] = plot(share(weight), `${change}read `, stick(reads, weight));
    }
    if (contribution !== null) {
      said.push(`${change}adds ${signed(contribution)}`);
      plots[1] = plot(
        fixed(contribution, decimals, true),
        ` ${change}adds `,
        stick(adds, contribution),
      );
    }
    const beginning = unseen(` ${name.slice(0, name.length - label.length)}`);
    const button = h(
      "button",
      { type: "button", class: "fpattr-place", "data-kind": kind, "data-place": name },
      ...plots,
      h("span", { class: "fpattr-place-name" }, beginning, label),
    );
    tooltip.explain(button, () => [
      h("strong", {}, said.join(" · ")),
      ...(bar.weights.length > 1 ? [routeBars(bar.weights)] : []),
      explain(bar),
    ]);
    return button;
  }

  function explain({ kind, name }: Bar): string {
    if (kind === "nowhere") return "Attention that went to nothing at all: it adds nothing.";
    if (kind === "constant") return "What biases add, whatever is read.";
    if (store.offers(name)) return "Its own map is shown while you point; click to pin it.";
    return `Its own map is not here. ${NOT_HERE}.`;
  }

  /** `head 1 ▬▬ 62%`, one line each. */
  function routeBars(weights: readonly number[]): HTMLElement {
    const most = largest(weights) || 1;
    return h(
      "span",
      { class: "fpattr-route-bars" },
      ...weights.flatMap((weight, i) => {
        const bar = h("span", { class: "fpattr-route-bar" });
        setStyle(bar, "--fpattr-share", String(Math.abs(weight) / most));
        return [h("span", {}, routes[i] ?? ""), bar, h("span", {}, share(weight))];
      }),
    );
  }

  /** Look at a place while the pointer or the focus is on its bar, and pin it by a click. */
  function link(name: string, button: HTMLButtonElement): void {
    const preview = (part: string | null, wait: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => context.update({ preview: part }), wait);
    };
    const show = () => {
      if (store.offers(name)) preview(name, store.pairsOf(name).complete ? 0 : REST);
    };
    onPointed(button, show, () => preview(null, GRACE), signal);
    const pin = () => {
      if (!store.offers(name)) return;
      preview(null, 0);
      store.set("part", store.settings.part === name ? ALL : name);
    };
    button.addEventListener("click", pin, { signal });
  }
}

interface Range {
  readonly low: number;
  readonly high: number;
}

function rangeOf(values: readonly number[]): Range {
  return { low: Math.min(0, ...values), high: Math.max(0, ...values) };
}

/** What stands at the ends of the bars. */
function stack(kind: string, ...[read, adds, name]: [Node, Node, string]): HTMLElement {
  return h(
    "span",
    { class: "fpattr-place", "data-kind": kind },
    read,
    adds,
    h("span", { class: "fpattr-place-name" }, name),
  );
}

/** A number over its bar, and what it is for those who listen; or an empty place for one. */
function plot(said = "", what = "", ...sticks: HTMLElement[]): HTMLElement {
  return h(
    "span",
    { class: "fpattr-place-plot" },
    h("span", { class: "fpattr-place-value" }, unseen(what), said),
    h("span", { class: "fpattr-place-bars", "aria-hidden": "true" }, ...sticks),
  );
}

/** A bar from zero to a value. */
function stick({ low, high }: Range, value: number): HTMLElement {
  const element = h("span", { "data-sign": value < 0 ? "negative" : "positive" });
  const span = (high - low || 1) / 100;
  setStyle(element, "top", `${((high - Math.max(value, 0)) / span).toFixed(2)}%`);
  setStyle(element, "height", `${(Math.abs(value) / span).toFixed(2)}%`);
  return element;
}
