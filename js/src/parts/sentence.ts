/** Panels of text: a sentence of chips to hover, drag over and walk through by keyboard. */

import { NOTHING, on } from "../values/focus";
import { brief, readOut } from "../values/format";
import type { Look } from "../values/look";
import type { Settings } from "../values/settings";
import type { FoldState, SentenceState } from "../values/shapes";
import { type Group, type Panel, type PanelWords, type SideIndex, sumAt } from "../values/sides";
import { ALONE, shownTitle, spokenTitle, titleOf } from "../values/weights";
import {
  type Chip,
  folded,
  isDivided,
  nameOf,
  neverSeen,
  type Sentence,
  sentence,
  whichOf,
} from "../values/words";
import type { ChipActions } from "./actions";
import { paintValue, spoken } from "./chip";
import { chipsKeyboard } from "./chips_keyboard";
import { chipsPointer } from "./chips_pointer";
import type { Among, Context, PanelKind, PanelPart, Shown } from "./context";
import { h, setAttributes, setText } from "./dom";
import { createEditor } from "./editor";
import { createHeading } from "./heading";
import { createPieces } from "./pieces";

const WORDS: PanelWords = {
  noun: "caption",
  feature: "token",
  group: "word",
  all: "words",
  whole: "the caption",
  hovered: "a word",
  dragged: "a phrase",
};

export interface SentencePanel extends Panel {
  readonly state: SentenceState;
  readonly sentence: Sentence;
}

export const SENTENCE: PanelKind<SentenceState, SentencePanel> = {
  noun: WORDS.noun,
  names: ({ text, tokens }, { level }) =>
    sentence(text, tokens, level).chips.map((one) => one.text),
  read: readSentence,
  create: createSentence,
};

function readSentence(state: SentenceState, among: Among, { level }: Settings): SentencePanel {
  return panelOf(state, sentence(state.text, state.tokens, level), among);
}

/** Read sentences as one, whose words are those that stand in the same place. */
export function readFolded(
  states: readonly SentenceState[],
  folds: readonly FoldState[],
  side: SideIndex,
): SentencePanel {
  const tokens = states.flatMap((state) => state.tokens);
  const cut = folded(tokens, folds);
  const special = tokens.flatMap((token, feature) => (token.special ? [feature] : []));
  const words = cut.chips.filter(({ kind }) => kind !== "special");
  const text = words
    .map((chip) => chip.before + chip.text)
    .join("")
    .trim();
  const whole = { features: tokens.length, special, weight: 1 };
  const state: SentenceState = { kind: "sentence", ...whole, text, tokens };
  const panel = panelOf(state, cut, {
    ...{ side, first: 0, standing: ALONE },
    isShared: () => false,
  });
  return { ...panel, divided: false };
}

function panelOf(
  state: SentenceState,
  cut: Sentence,
  { side, first, standing, isShared }: Among,
): SentencePanel {
  const { tokens } = state;
  const title = titleOf(WORDS.noun, standing);
  const whose = (features: readonly number[]) =>
    own(features).every((token) => isShared(cut.chips[cut.chipOf[token] ?? -1]?.text ?? ""))
      ? ` of the ${title}`
      : "";
  const name = (features: readonly number[]) =>
    nameOf(own(features), cut, tokens) + whose(features);
  const own = (features: readonly number[]) => features.map((feature) => feature - first);
  return {
    state,
    side,
    first,
    sentence: cut,
    standing,
    groups: cut.chips.map((chip, i) =>
      groupOf(chip, first, whichOf(cut, i), isShared(chip.text) ? title : ""),
    ),
    aside: [],
    words: WORDS,
    scale: "sums",
    divided: isDivided(tokens),
    name,
    tally: (features) => (standing.summed ? name(features) : nameOf(own(features), cut, tokens)),
    cite: ({ features }) => name(features),
    remark: (features) =>
      own(features).some((token) => tokens[token]?.unknown) ? "the model has never seen it" : "",
    shown: (features) => [`tokens${shownTitle(standing)}:${own(features).join()}`],
  };
}

function groupOf({ tokens, text, kind }: Chip, first: number, which: string, whose: string): Group {
  const told = [which, whose].filter(Boolean).join(", ");
  return {
    features: tokens.map((token) => first + token),
    name: told ? `${text} (${told})` : text,
    ...{ text, which, whose },
    special: kind === "special",
    listed: kind !== "mark",
  };
}

export function createSentence(context: Context, shown: Shown<SentencePanel>): PanelPart {
  const { store, signal } = context;
  const { side } = shown.now;
  const text = h("p", {
    class: "fpattr-caption",
    dir: "auto",
    role: "listbox",
    "aria-multiselectable": "true",
    "aria-orientation": "horizontal",
  });
  const pieces = createPieces(context, side);
  const editor = createEditor(context, {
    side,
    text: () => shown.now.state.text,
    shown: text,
    kind: "caption",
    label: "Caption",
  });
  const note = h("p", { class: "fpattr-note fpattr-small", hidden: true });
  const heading = createHeading(context, shown);
  const element = h(
    "section",
    { class: "fpattr-text" },
    heading.element,
    text,
    editor.element,
    pieces.element,
    note,
  );
  let drawn: Sentence | undefined;
  let chips: readonly Chip[] = [];
  let groups: readonly Group[] = [];
  let spans: HTMLSpanElement[] = [];

  const actions: ChipActions = {
    side,
    text,
    get count() {
      return chips.length;
    },
    indexOf(target) {
      const span = target instanceof Element ? target.closest(".fpattr-token") : null;
      return span ? spans.indexOf(span as HTMLSpanElement) : -1;
    },
    featuresOf(from, to) {
      const [first, last] = [Math.min(from, to), Math.max(from, to)];
      return groups.slice(first, last + 1).flatMap(({ features }) => features);
    },
    focus(index) {
      spans[index]?.focus({ preventScroll: true });
    },
    hover(index) {
      const group = groups[index];
      if (!group) return context.point(NOTHING, null);
      pieces.open(group);
      context.point(on(side, group.features), { side, features: group.features });
    },
  };
  chipsPointer(context, actions, element);
  chipsKeyboard(context, actions);
  text.addEventListener(
    "focusin",
    (event) => {
      const index = actions.indexOf(event.target);
      if (index < 0) return;
      tabStop(index);
      actions.hover(index);
    },
    { signal },
  );
  element.addEventListener(
    "focusout",
    (event) => {
      if (!element.contains(event.relatedTarget as Node | null)) actions.hover(-1);
    },
    { signal },
  );
  return { element, surface: text, tools: [], paint };

  function tabStop(index: number): void {
    spans.forEach((span, i) => {
      setAttributes(span, { tabindex: i === index ? 0 : -1 });
    });
  }

  /** Beyond the middle the value at the pointer grows backwards, so that it stays inside. */
  function pastMiddle(span: HTMLElement): boolean {
    const middle = span.offsetLeft + span.offsetWidth / 2;
    const past = middle > text.offsetLeft + text.offsetWidth / 2;
    return past !== (getComputedStyle(text).direction === "rtl");
  }

  function draw(panel: SentencePanel): void {
    drawn = panel.sentence;
    chips = drawn.chips;
    groups = panel.groups;
    spans = chips.map((chip, i) => chipElement(chip, groups[i]?.features ?? [], panel.divided));
    text.replaceChildren();
    chips.forEach((chip, i) => {
      text.append(chip.before, spans[i] as HTMLElement);
    });
    text.append(drawn.after);
    const unseen = neverSeen(drawn);
    setText(note, unseen);
    setAttributes(note, { hidden: unseen === "" });
    const title = spokenTitle(WORDS.noun, panel.standing);
    const label = title === "Caption" ? title : `${title}: ${panel.state.text}`;
    setAttributes(text, { "aria-label": label });
    tabStop(0);
  }

  function paint(look: Look): void {
    const panel = shown.now;
    if (drawn !== panel.sentence) draw(panel);
    const { values, chosen: chosenHere, pinned: pinnedHere, limits } = look.sides[side];
    const tinting = { limit: limits.sums, signs: store.settings.signs, paper: context.paper };
    const chosen = new Set(chosenHere);
    const pinned = new Set(pinnedHere);
    const { place } = context.state;
    const pointed = place?.side === side ? place.features[0] : undefined;
    chips.forEach((chip, i) => {
      const span = spans[i] as HTMLElement;
      const { features = [] } = groups[i] ?? {};
      const value = sumAt(features, values);
      paintValue(span, value, tinting);
      const held = features.filter((feature) => chosen.has(feature)).length;
      const pins = features.filter((feature) => pinned.has(feature)).length;
      const isPointed = pointed !== undefined && features[0] === pointed;
      const unseen = chip.unknown ? ", never seen by the model" : "";
      const said = Number.isNaN(value) ? "not computed" : spoken(value, tinting);
      setAttributes(span, {
        "data-number": chip.kind === "special" ? brief(value) : undefined,
        "data-room": chip.kind === "special" && !store.pairs.isNothing(side, features),
        "data-missing": Number.isNaN(value),
        "data-chosen": held === 0 ? undefined : held < features.length ? "part" : "whole",
        "data-pinned": pins > 0,
        "data-end": isPointed && pastMiddle(span),
        "data-below":
          isPointed && span.offsetTop > (spans[0]?.offsetTop ?? 0) + span.offsetHeight / 2,
        "data-readout": isPointed ? readOut(value) : undefined,
        "aria-selected": String(pins > 0),
        "aria-label": `${chip.text}${unseen}, ${said}`,
      });
    });
    heading.paint(look);
    pieces.paint(panel, look, tinting);
    editor.paint(look);
  }
}

function chipElement(chip: Chip, features: readonly number[], divided: boolean): HTMLSpanElement {
  return h(
    "span",
    {
      class: "fpattr-token",
      role: "option",
      "data-kind": chip.kind,
      "data-tokens": features.join(),
      "data-unknown": chip.unknown,
      title: chip.unknown ? "The model has never seen this word" : undefined,
      "data-split": divided && chip.kind === "word" && chip.tokens.length > 1,
      // An explicit direction keeps the name of a special token out of the sentence's own.
      dir: chip.kind === "special" ? "ltr" : undefined,
    },
    chip.text,
  );
}
