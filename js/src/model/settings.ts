/** How values are shown: traits that are saved with the notebook and can be set from Python. */

import type { Model, Traits } from "./protocol";

export const SETTINGS = [
  "theme",
  "scale",
  "signs",
  "opacity",
  "smooth",
  "keep_colour",
  "level",
] as const satisfies readonly (keyof Traits)[];

export type Settings = Pick<Traits, (typeof SETTINGS)[number]>;

/** What the model says, or where it says nothing (an older snapshot), the default. */
export function readSettings(model: Model): Settings {
  const opacity = model.get("opacity") ?? 1;
  return {
    theme: model.get("theme") ?? "auto",
    scale: model.get("scale") ?? "shared",
    signs: model.get("signs") ?? "both",
    opacity: Math.min(Math.max(Number(opacity) || 0, 0), 1),
    smooth: model.get("smooth") ?? false,
    keep_colour: model.get("keep_colour") ?? false,
    level: model.get("level") ?? "words",
  };
}
