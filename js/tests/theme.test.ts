import { expect, test } from "vitest";
import { resolveTheme } from "../src/parts/theme";

function body(
  attributes: { className?: string; light?: string; theme?: string } = {},
): HTMLElement {
  const element = document.createElement("body");
  element.className = attributes.className ?? "";
  if (attributes.light) element.dataset.jpThemeLight = attributes.light;
  if (attributes.theme) element.dataset.theme = attributes.theme;
  return element;
}

test("what is told wins over the notebook, and the notebook over the system", () => {
  const lab = body({ light: "true" });
  expect(resolveTheme("dark", lab, false)).toEqual({ theme: "dark", jupyter: false });
  expect(resolveTheme("auto", lab, true)).toEqual({ theme: "light", jupyter: true });
  expect(resolveTheme("auto", body({ light: "false" }), false).theme).toBe("dark");
  expect(resolveTheme("auto", body({ className: "vscode-dark" }), false).theme).toBe("dark");
  expect(resolveTheme("auto", body({ className: "vscode-light" }), true).theme).toBe("light");
  expect(resolveTheme("auto", body({ theme: "light" }), true).theme).toBe("light");
  expect(resolveTheme("auto", body({ theme: "dark" }), false).theme).toBe("dark");
  expect(resolveTheme("auto", body({ theme: "paper" }), true).theme).toBe("dark");
  expect(resolveTheme("auto", body(), true).theme).toBe("dark");
});
