/** How values are shown: the one list of settings, as `ViewSettings` is in Python. */

export type Theme = "auto" | "light" | "dark";
/** One scale for the maps of all words, or each map's own. */
export type ScaleChoice = "shared" | "own";
/** Which values are painted and listed. */
export type Signs = "both" | "for" | "against";
/** What a chip of a sentence is. */
export type Level = "words" | "tokens";

/** Traits that are saved with the notebook and can be set from Python. */
export type Settings = {
  theme: Theme;
  scale: ScaleChoice;
  signs: Signs;
  /** Of the heat map, 0 to 1. */
  opacity: number;
  smooth: boolean;
  keep_colour: boolean;
  level: Level;
  /** Whether words of several sentences that stand in the same place are one. */
  fold: boolean;
  /** Which part of the pairs is shown: `all`, or one of the subject's parts. */
  part: string;
  /** Whether `hovered` is kept up to date. */
  report_hover: boolean;
  /** Whether the inputs can be changed in the view. */
  editable: boolean;
};

export const DEFAULTS: Settings = {
  theme: "auto",
  scale: "shared",
  signs: "both",
  opacity: 1,
  smooth: false,
  keep_colour: false,
  level: "words",
  fold: false,
  part: "all",
  report_hover: false,
  editable: false,
};

/** The values that a setting of several words can have. */
export const CHOICES = {
  theme: ["auto", "light", "dark"],
  scale: ["shared", "own"],
  signs: ["both", "for", "against"],
  level: ["words", "tokens"],
} as const satisfies { [K in keyof Settings]?: readonly Settings[K][] };

/** Read the settings; one that is not there or cannot be used has its default. */
export function readSettings(get: (name: keyof Settings) => unknown): Settings {
  const settings: Record<string, unknown> = {};
  for (const name of Object.keys(DEFAULTS) as (keyof Settings)[]) {
    const value = get(name);
    settings[name] = isUsable(name, value) ? value : DEFAULTS[name];
  }
  return settings as Settings;
}

function isUsable(name: keyof Settings, value: unknown): boolean {
  if (typeof value !== typeof DEFAULTS[name]) return false;
  if (name in CHOICES) {
    return (CHOICES[name as keyof typeof CHOICES] as readonly unknown[]).includes(value);
  }
  return typeof value !== "number" || (value >= 0 && value <= 1);
}
