/** Where the panels of two sides stand. Pure. */

import type { Both, Side, SideIndex } from "./sides";

/**
 * How a wide view is divided: rows on the left `across` from columns; sentences `stacked`; a
 * picture `between` two sentences; a sentence `under` several pictures.
 */
export type Layout = "across" | "stacked" | "between" | "under";

/** Some panels of a side, in one place; `area` names it in the style sheet. */
export interface Block {
  readonly area: "rows" | "columns" | "first" | "second";
  readonly side: SideIndex;
  /** Numbers of its panels on their side. */
  readonly panels: readonly number[];
}

export function layoutOf([rows, columns]: Both<Side>): Layout {
  const are = ({ panels }: Side, kind: string) => panels.every(({ state }) => state.kind === kind);
  const sentences = are(rows, "sentence");
  if (sentences && are(columns, "sentence")) return "stacked";
  if (!sentences || !are(columns, "picture")) return "across";
  if (columns.panels.length > 1) return "under";
  return rows.panels.length === 2 ? "between" : "across";
}

const LONG = 160; // characters of sentences beside which a picture is low

/** Whether the rows are so long that there is room under the columns. */
export function isLong([rows]: Both<Side>): boolean {
  const texts = rows.panels.map(({ state }) => (state.kind === "sentence" ? state.text.length : 0));
  return texts.reduce((sum, length) => sum + length, 0) > LONG;
}

/** The blocks of a layout, in the order in which they are read. */
export function blocksOf(sides: Both<Side>): Block[] {
  const whole = (side: SideIndex): Block => ({
    area: side === 0 ? "rows" : "columns",
    side,
    panels: [...sides[side].panels.keys()],
  });
  switch (layoutOf(sides)) {
    case "between":
      return [
        { area: "first", side: 0, panels: [0] },
        whole(1),
        { area: "second", side: 0, panels: [1] },
      ];
    case "under":
      return [whole(1), whole(0)];
    default:
      return [whole(0), whole(1)];
  }
}
