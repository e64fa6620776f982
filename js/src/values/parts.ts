/** Parts of the pairs that can be shown by themselves, and how they are called. Pure. */

/** The pairs themselves, as the setting has it; in messages they have no name. */
export const ALL = "all";

/** What the two parts are that the pairs of a head consist of. */
export const MEANINGS = {
  match: "what the words meet in what is read of the picture",
  routing: "what the words choose to read",
} as const;

export type Half = keyof typeof MEANINGS;

export const HALVES = Object.keys(MEANINGS) as Half[];

/** Whether a part is one of places that are read: all that is neither half is. */
export function isPlace(part: string): boolean {
  return part !== "" && !(part in MEANINGS);
}

/** `, match`, `, through mixture 3`: a part in the line, after what is looked at. */
export function partInLine(part: string): string {
  if (part === "") return "";
  return isPlace(part) ? `, through ${part}` : `, ${part}`;
}

/** A part in one plain sentence; `""` for the pairs themselves. */
export function partSentence(part: string): string {
  if (part === "") return "";
  const [name, meaning] = isPlace(part)
    ? [`Through ${part}`, "what the words meet in it alone, while all is read as it is now"]
    : [part, MEANINGS[part as Half]];
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}: ${meaning}.`;
}
