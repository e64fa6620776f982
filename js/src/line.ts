/** Says in words what is being looked at. Pure. */

import { percent, plain, plural, signed } from "./format";
import { ledgerBar } from "./ledger";
import type { Focus, Look } from "./look";
import { total } from "./pairs";
import type { LedgerState } from "./protocol";
import type { Grid } from "./region";
import type { Absence, Subject } from "./store";
import { nameOf } from "./words";

/** A piece of the line; `kind` sets how loud it is. */
export interface Piece {
  text: string;
  kind?: "name" | "value" | "aside";
}

export interface LineInput {
  subject: Subject;
  look: Look;
  similarity: number | null;
  /** What values are shares of, or null. */
  whole: number | null;
  ledger: LedgerState | null;
  /** The part of the ledger that explains itself. */
  explained: keyof LedgerState | null;
  absence: Absence;
  /** Number of rows that are missing altogether. */
  missing: number;
}

export const WHY: Record<Absence, string> = {
  computing: "being computed …",
  interrupted: "not computed: Python was interrupted",
  "left out": "not computed",
  silent: "not computed when this notebook was saved, and no kernel answers",
  lost: "not computed, and the kernel does not answer",
};

export function patchName(patch: number, { columns }: Grid): string {
  return `row ${Math.floor(patch / columns) + 1}, column ${(patch % columns) + 1}`;
}

export function imageName(focus: Focus, subject: Subject, joint: boolean): string {
  const { patches, specials } = focus;
  const names = specials.map((i) => subject.specials[i] ?? "");
  const [only] = patches;
  if (patches.length === 1 && only !== undefined) {
    names.push(`patch ${patchName(only, subject.grid)}`);
  } else if (patches.length > 1) {
    names.push(joint ? `${patches.length} patches` : `region of ${patches.length} patches`);
  }
  return names.join(" and ");
}

function idle({ missing, absence, look }: LineInput): Piece[] {
  const hint = "Hover a word or a patch. Drag to pin a phrase or a region; Escape clears.";
  if (missing === 0 || absence === "computing") return [{ text: hint, kind: "aside" }];
  const all = look.values.length;
  const when = WHY[absence].slice("not computed".length);
  const text =
    missing === all
      ? `No values were computed${when}.`
      : `${missing} of ${plural(all, "token")} ${missing === 1 ? "was" : "were"} not computed${when}.`;
  return [{ text, kind: "aside" }];
}

function share(value: number, whole: number | null): Piece[] {
  if (whole === null) return [];
  return [{ text: ` · ${percent(value / whole)} of the similarity`, kind: "aside" }];
}

/** A part of the ledger in words; nothing where no part is asked about. */
function explanation({ ledger, explained, whole }: LineInput): Piece[] {
  const { segments } = ledger ? ledgerBar(ledger) : { segments: [] };
  const part = segments.find(({ key }) => key === explained);
  if (!part) return [];
  return [
    { text: part.name, kind: "name" },
    { text: ": " },
    { text: signed(part.value), kind: "value" },
    ...share(part.value, whole),
    { text: ` · ${part.explanation}`, kind: "aside" },
  ];
}

export function line(input: LineInput): Piece[] {
  const { subject, look, similarity, absence, whole } = input;
  const { focus, map, values } = look;
  const explained = explanation(input);
  if (explained.length > 0) return explained;
  const words = focus.tokens.length > 0;
  if (!words && !look.column) return idle(input);

  const tokens = words ? nameOf(focus.tokens, subject.sentence, subject.tokens) : "whole caption";
  const image = look.column ? imageName(focus, subject, words) : "whole picture";
  const name = (text: string, chosen: boolean): Piece =>
    chosen ? { text, kind: "name" } : { text };
  const head = words
    ? [name(tokens, true), { text: " × " }, name(image, look.column)]
    : [name(image, true), { text: " × " }, name(tokens, false)];

  const value = total(words ? focus.tokens.map((i) => values[i] ?? Number.NaN) : values);
  if (Number.isNaN(value)) return [...head, { text: `: ${WHY[absence]}`, kind: "aside" }];
  const said: Piece[] = [...head, { text: ": " }, { text: signed(value), kind: "value" }];

  if (words && look.column) {
    if (similarity !== null) said.push({ text: ` of ${plain(similarity)}` });
    const row = map ? total(map) : 0;
    const part = value / row;
    if (focus.specials.length === 0 && part >= 0 && part <= 1) {
      said.push({ text: ` · ${percent(part)} of ${tokens} × whole picture`, kind: "aside" });
    }
    return said;
  }
  said.push(...share(value, whole));
  if (words && map) {
    const best = strongest(map);
    if (best < 0) return said;
    said.push(
      { text: " · strongest patch " },
      { text: patchName(best, subject.grid), kind: "name" },
    );
    said.push({ text: ": " }, { text: signed(map[best] ?? 0), kind: "value" });
  } else {
    const { chips } = subject.sentence;
    const spoken = look.chips.map((sum, i) => (chips[i]?.kind === "special" ? 0 : sum));
    const best = strongest(spoken);
    if (best < 0) return said;
    said.push({ text: " · strongest word " }, { text: `“${chips[best]?.text}”`, kind: "name" });
    said.push({ text: ": " }, { text: signed(look.chips[best] ?? 0), kind: "value" });
  }
  return said;
}

/** Index of the largest magnitude; -1 where all are zero. */
function strongest(values: Float64Array): number {
  let best = -1;
  let size = 0;
  values.forEach((value, i) => {
    if (Math.abs(value) > size) [best, size] = [i, Math.abs(value)];
  });
  return best;
}
