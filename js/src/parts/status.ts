/** The line that says what is looked at, the progress of the rows, and what went wrong. */

import { WHY } from "../model/liveness";
import type { Store } from "../model/store";
import { plural } from "../values/format";
import { line, type Piece } from "../values/line";
import type { Look } from "../values/look";
import type { Context, Part } from "./context";
import { h, setAttributes, setStyle, setText } from "./dom";

export function createLine(context: Context): Part {
  const { store, state } = context;
  const element = h("div", { class: "fpattr-line", role: "status", "aria-live": "polite" });
  let said = "";
  return {
    element,
    paint(look: Look) {
      const { absence, awaited, news } = store;
      const { sides, part } = context;
      const pieces = line({
        ...{ sides, look, news, part, touched: state.touched },
        why: WHY[absence],
        computing: absence === "computing",
        missing: awaited.rows - awaited.count,
      });
      // News come by themselves: what else is said is not said again for them.
      const now = JSON.stringify(pieces, (key, value) =>
        key === "" || value?.kind !== "news" ? value : "news",
      );
      if (now !== said) element.replaceChildren(...pieces.map(pieceElement));
      else if (news) updateNews(pieces);
      said = now;
    },
  };

  function updateNews(pieces: readonly Piece[]): void {
    pieces.forEach(({ text, kind }, i) => {
      const shown = element.children[i];
      if (kind === "news" && shown) setText(shown, text);
    });
  }
}

const BREATH = 5000; // ms between two news that are read out

/** What Python is doing, for screen readers: now and then, and never while it is the same. */
export function createNews({ store, signal }: Context): Part {
  const element = h("div", { class: "fpattr-unseen fpattr-news", "aria-live": "polite" });
  let due: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(due), { once: true });
  const tell = () => {
    due = undefined;
    const { news } = store;
    if (news === element.textContent) return;
    setText(element, news);
    if (news) due = setTimeout(tell, BREATH);
  };
  return {
    element,
    paint() {
      if (store.news === "") {
        clearTimeout(due);
        due = undefined;
        setText(element, "");
      } else if (due === undefined) tell();
    },
  };
}

function pieceElement({ text, kind }: Piece): HTMLElement {
  if (kind === "news") return h("span", { "data-kind": kind, "aria-hidden": "true" }, text);
  if (kind === "name") return h("bdi", { "data-kind": kind }, text);
  return h("span", { "data-kind": kind }, text);
}

export function createProgress({ store }: Context): Part {
  const bar = h("div", {});
  const element = h("div", { class: "fpattr-progress" }, bar);
  return {
    element,
    paint() {
      const { count, rows, complete } = store.awaited;
      const busy = !complete && store.absence === "computing";
      const uncounted = busy && count === 0 && store.news !== "";
      setAttributes(element, {
        "data-uncounted": uncounted,
        role: busy ? "progressbar" : undefined,
        "aria-label": busy ? "Rows computed" : undefined,
        "data-busy": busy,
        "aria-valuenow": busy && !uncounted ? count : undefined,
        "aria-valuemin": busy ? 0 : undefined,
        "aria-valuemax": busy ? rows : undefined,
      });
      setStyle(bar, "inline-size", uncounted ? "" : `${(100 * count) / (rows || 1)}%`);
    },
  };
}

/** What happened and what can be done about it; `again` names the button that does it. */
interface Trouble {
  text: string;
  again?: string;
}

function troubleOf(store: Store): Trouble | null {
  const { failure, absence, awaited: pairs } = store;
  if (failure) return { text: failure, again: "Try again" };
  if (pairs.complete) return null;
  if (absence === "interrupted") {
    const here = `${pairs.count} of ${plural(pairs.rows, "row")}`;
    return { text: `Python was interrupted: ${here} are there.`, again: "Go on" };
  }
  if (absence !== "lost") return null;
  const text =
    "The kernel does not answer: it is busy, or was restarted or shut down. What was computed " +
    "stays; after a restart run the cell again for the rest.";
  return { text, again: "Ask again" };
}

export function createTrouble({ store, signal }: Context): Part {
  const text = h("span", {});
  const again = h("button", { type: "button", class: "fpattr-button" });
  const close = h(
    "button",
    { type: "button", class: "fpattr-close", "aria-label": "Dismiss" },
    "×",
  );
  again.addEventListener("click", () => store.resume(), { signal });
  close.addEventListener("click", () => store.dismissFailure(), { signal });
  const element = h(
    "div",
    { class: "fpattr-failure", role: "alert", hidden: true },
    text,
    again,
    close,
  );
  return {
    element,
    paint() {
      const trouble = troubleOf(store);
      setText(text, trouble?.text ?? "");
      setText(again, trouble?.again ?? "");
      setAttributes(again, { hidden: !trouble?.again });
      setAttributes(close, { hidden: !store.failure });
      setAttributes(element, { hidden: trouble === null });
    },
  };
}
