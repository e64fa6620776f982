/** What a head read of a picture for a text, and what each part of it adds to the cosine. */

import { fixed, isNothing } from "../values/format";
import { partsName } from "../values/ledger";
import { changeOf, readingOf, readsOf } from "../values/read_out";
import { total } from "../values/sums";
import type { Context, Part } from "./context";
import { h, setAttributes, setText } from "./dom";
import { createPlaces } from "./places";
import { createReadMaps } from "./read_maps";
import type { Drawn, Shown } from "./read_shown";
import { createTooltip } from "./tooltip";

export function createReadOut(context: Context): Part {
  const { store, signal } = context;
  const title = h("span", { class: "fpattr-small" });
  const amount = h("strong", {
    title:
      "How many are read, effectively: 1 where one has all of the attention, and all of them " +
      "where each has the same",
  });
  const sum = h("p", { class: "fpattr-small" });
  const which = h("select", { "aria-label": "What the read-out is of" });
  const body = h("div", { class: "fpattr-read" });
  const tooltip = createTooltip(() => element, signal);
  const element = h(
    "section",
    { class: "fpattr-readout", "aria-label": "What was read of the picture", hidden: true },
    h("div", { class: "fpattr-read-about" }, title, amount, sum, which),
    body,
    tooltip.element,
  );
  let choices: readonly Shown[] = [];
  let painted: unknown[] = [];
  let drawn: Drawn | null = null;
  /** Of what is drawn: its pictures are let go when something else is. */
  let life = new AbortController();
  signal.addEventListener("abort", () => life.abort(), { once: true });
  which.addEventListener("change", () => context.update({}), { signal });
  return { element, paint };

  function paint(): void {
    const { readOuts, subject, ledger } = store;
    // While something else is computed, what was shown stays, faint; and has its room before.
    const waits = ledger === null && subject.parts.length > 0;
    setAttributes(element, { hidden: readOuts.length === 0 && !waits, "data-stale": waits });
    if (readOuts.length > 0) {
      if (painted[0] !== readOuts) offer();
      const now = [readOuts, which.selectedIndex, context.paper.ink.join()];
      if (now.some((value, i) => value !== painted[i])) draw();
      painted = now;
    }
    drawn?.mark();
  }

  /** Offer each read-out, and of two of the same places their difference, which is shown first. */
  function offer(): void {
    const inputs = store.subject.sides;
    const each = readsOf(store.readOuts, inputs).map((read): Shown => {
      return { name: partsName(inputs, ...read.inputs), reading: readingOf(read.state), read };
    });
    const [first, second] = each;
    const reading = first && second && each.length === 2 && changeOf(first.reading, second.reading);
    if (reading) each.push({ name: `${first.name} − ${second.name}`, reading, read: null });
    choices = each;
    which.replaceChildren(...each.map(({ name }) => h("option", {}, name)));
    setAttributes(which, { hidden: each.length < 2 });
    which.selectedIndex = reading ? 2 : 0;
  }

  function draw(): void {
    const shown = choices[which.selectedIndex];
    if (!shown) return;
    tooltip.hide();
    life.abort();
    life = new AbortController();
    describe(shown);
    const create = shown.reading.grid ? createReadMaps : createPlaces;
    drawn = create(context, shown, tooltip, life.signal);
    body.replaceChildren(...drawn.elements);
  }

  function describe({ reading, read }: Shown): void {
    const { places, effective, grid, constant, similarity, compared } = reading;
    const noun = grid ? "patches" : "places";
    setText(title, read ? "Read of the picture" : "Read more, or less");
    setText(
      amount,
      effective === null ? "" : `${effective.toFixed(1)} of ${places.length} ${noun}`,
    );
    const added = total(places.map(({ contribution }) => contribution));
    const constants = isNothing(constant) ? [] : [`constant ${fixed(constant, 3, true)}`];
    const end = `= ${fixed(similarity, 3, read === null)}, the ${read ? "cosine" : "change of the cosine"}`;
    const others = Object.entries(compared).map(([name, value]) => ` · ${fixed(value, 3)} ${name}`);
    const parts = [`${noun} ${fixed(added, 3, true)}`, ...constants, end];
    setText(sum, parts.join(" ") + others.join(""));
  }
}
