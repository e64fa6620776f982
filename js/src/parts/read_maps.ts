/** Patches that a head reads: a small map of what is read, one of what that adds, and who reads. */

import { NOTHING, on } from "../values/focus";
import { percent, signed } from "../values/format";
import {
  type Read,
  type Reading,
  readingOf,
  signedPercent,
  tokensOfRoutes,
  winnersOf,
} from "../values/read_out";
import { largest, total } from "../values/sums";
import type { Context } from "./context";
import { h, onPointed, setAttributes, setStyle, setText, unseen } from "./dom";
import { showImage } from "./image";
import type { Drawn, Shown } from "./read_shown";
import { createThumb } from "./thumb";
import type { Tooltip } from "./tooltip";

export function createReadMaps(
  context: Context,
  { reading, read }: Shown,
  tooltip: Tooltip,
  signal: AbortSignal,
): Drawn {
  const { store } = context;
  const grid = reading.grid ?? { rows: 0, columns: 0 };
  const thumbs = [createThumb(grid), createThumb(grid)] as const;
  const captions = [h("figcaption", {}), h("figcaption", {})] as const;
  const figures = thumbs.map(({ element }, i) => h("figure", {}, element, captions[i] ?? ""));
  const bar = h("span", { class: "fpattr-route-bar" });
  const share = h("span", {});
  const nowhere = h("span", { class: "fpattr-nowhere" }, "nowhere", bar, share);
  tooltip.explain(nowhere, () => ["Attention that went to nothing at all: it adds nothing."]);
  const image = showImage(() => {
    for (const thumb of thumbs) thumb.dress(image);
  }, signal);
  const panel = store.subject.sides[1][read?.inputs[1] ?? 0];
  if (panel?.kind === "picture") image.follow(panel);
  show(reading);
  const beside = h(
    "div",
    { class: "fpattr-read-beside" },
    nowhere,
    ...(read ? [routes(read)] : []),
  );
  return {
    elements: [h("div", { class: "fpattr-read-maps" }, ...figures), beside],
    mark() {},
  };

  /** `meets`: what a token meets of each patch, of which it reads one alone. */
  function show(now: Reading, meets?: readonly number[]): void {
    const [weights, adds] = [
      Float64Array.from(now.places, ({ weight }) => weight),
      Float64Array.from(now.places, ({ contribution }) => contribution),
    ];
    const ends = [percent(largest(weights)), signed(largest(adds)).slice(1)];
    const heat = (map: Float64Array) =>
      ({ map, limit: largest(map), signs: "both", smooth: false }) as const;
    const isChange = now.effective === null;
    const met = meets && Float64Array.from(meets);
    if (met) thumbs[0].paint(heat(met));
    else if (isChange) thumbs[0].paint(heat(weights));
    else thumbs[0].paintShares(weights, context.paper.ink);
    thumbs[1].paint(heat(adds));
    const read = isChange ? `Δ read, ±${ends[0]}` : `read, up to ${ends[0]}`;
    setText(captions[0], met ? `meets, ±${signed(largest(met)).slice(1)}` : read);
    setText(captions[1], `${isChange ? "Δ adds" : "adds"}, ±${ends[1]}`);
    setAttributes(nowhere, { hidden: now.nowhere === null });
    setStyle(bar, "--fpattr-share", String(Math.abs(now.nowhere ?? 0)));
    setText(share, (isChange ? signedPercent : percent)(now.nowhere ?? 0));
  }

  /** Heads, each with its own maps; or tokens, each with the patch that it reads. */
  function routes({ state, inputs, firsts }: Read): HTMLElement {
    const winners = winnersOf(state);
    const text = store.subject.sides[0][inputs[0]];
    const tokens = winners && text ? tokensOfRoutes(state, text) : [];
    const buttons = state.routes.map((name, route) => {
      const own = readingOf(state, route);
      const adds = signed(total(own.places.map(({ contribution }) => contribution)));
      const winner = own.places[winners?.[route] ?? -1]?.name ?? state.winners[route];
      const where = winner ?? `${own.effective?.toFixed(1)} patches`;
      const button = h(
        "button",
        { type: "button", class: "fpattr-route" },
        h("bdi", {}, name),
        unseen(` reads ${where}, adds `),
        adds,
      );
      tooltip.explain(button, () => [h("strong", {}, name), `reads ${where}, adds ${adds}`]);
      const token = tokens[route] ?? null;
      const focus = token === null ? NOTHING : on(0, [firsts[0] + token]);
      const look = (now: Reading, at: typeof focus) => {
        show(now, now === own ? state.products?.[route] : undefined);
        if (token !== null) context.point(at, null);
      };
      onPointed(
        button,
        () => look(own, focus),
        () => look(reading, NOTHING),
        signal,
      );
      if (token !== null)
        button.addEventListener("click", () => context.pinBoth(focus), { signal });
      return button;
    });
    return h(
      "div",
      { class: "fpattr-routes", role: "group", "aria-label": "Who reads" },
      ...buttons,
    );
  }
}
