/** How the map is drawn: a panel of choices, folded away until it is asked for. */

import { percent } from "../values/format";
import type { Context, Part } from "./context";
import { choice } from "./controls";
import { h, setAttributes } from "./dom";

export function createDisplay(context: Context): Part & { button: HTMLElement } {
  const { store, signal } = context;
  const scale = choice(
    "Scale of the map",
    {
      shared: "One scale for the maps of all words: maps can be compared",
      own: "Each map on its own scale: weak maps can be seen",
    },
    (value) => store.set("scale", value),
    signal,
  );
  const shape = choice(
    "Shape of the map",
    { sharp: "Each patch in one colour", smooth: "Values run from patch to patch" },
    (value) => store.set("smooth", value === "smooth"),
    signal,
  );
  const picture = choice(
    "Picture under the map",
    { grey: "Colour means value alone", colour: "The picture keeps its colours" },
    (value) => store.set("keep_colour", value === "colour"),
    signal,
  );
  const level = choice(
    "Chips of the caption",
    { words: "Whole words", tokens: "The pieces that the model reads" },
    (value) => store.set("level", value),
    signal,
  );
  const opacity = h("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    "aria-label": "Opacity of the map",
  });
  opacity.addEventListener("input", () => store.set("opacity", Number(opacity.value)), { signal });

  const row = (name: string, control: HTMLElement) =>
    h("div", { class: "fpattr-setting" }, h("span", {}, name), control);
  const levels = row("caption", level.element);
  const element = h(
    "div",
    { class: "fpattr-display", hidden: true },
    row("scale", scale.element),
    row("map", shape.element),
    row("opacity", opacity),
    row("picture", picture.element),
    levels,
  );
  const button = h(
    "button",
    {
      type: "button",
      class: "fpattr-button",
      "aria-expanded": "false",
      title: "Scale, opacity and shape of the map",
    },
    "display",
  );
  button.addEventListener(
    "click",
    () => {
      element.hidden = !element.hidden;
      setAttributes(button, { "aria-expanded": String(!element.hidden) });
    },
    { signal },
  );

  return {
    element,
    button,
    paint() {
      const { settings } = store;
      scale.show(settings.scale);
      shape.show(settings.smooth ? "smooth" : "sharp");
      picture.show(settings.keep_colour ? "colour" : "grey");
      level.show(settings.level);
      if (Number(opacity.value) !== settings.opacity) opacity.value = String(settings.opacity);
      setAttributes(opacity, { "aria-valuetext": percent(settings.opacity) });
      const divided = context.sides.some(({ panels }) => panels.some((panel) => panel.divided));
      setAttributes(levels, { hidden: !divided });
    },
  };
}
