/** Light or dark: as told, else as the notebook around is, else as the system prefers. */

import type { Theme } from "../values/settings";

export interface Resolved {
  theme: "light" | "dark";
  /** Whether JupyterLab's own colours can be taken. */
  jupyter: boolean;
}

export function resolveTheme(theme: Theme, body: HTMLElement, prefersDark: boolean): Resolved {
  if (theme !== "auto") return { theme, jupyter: false };
  const light = body.dataset.jpThemeLight;
  if (light) return { theme: light === "false" ? "dark" : "light", jupyter: true };
  if (body.matches(".vscode-dark, .vscode-high-contrast:not(.vscode-high-contrast-light)")) {
    return { theme: "dark", jupyter: false };
  }
  if (body.matches(".vscode-light, .vscode-high-contrast-light")) {
    return { theme: "light", jupyter: false };
  }
  const told = body.dataset.theme; // marimo
  if (told === "light" || told === "dark") return { theme: told, jupyter: false };
  return { theme: prefersDark ? "dark" : "light", jupyter: false };
}

export function prefersDark(): MediaQueryList {
  return matchMedia("(prefers-color-scheme: dark)");
}

/** Call `changed` when the surroundings change their theme. */
export function watchTheme(changed: () => void, signal: AbortSignal): void {
  prefersDark().addEventListener("change", changed, { signal });
  const observer = new MutationObserver(changed);
  observer.observe(document.body, {
    attributes: true,
    attributeFilter: ["class", "data-jp-theme-light", "data-jp-theme-name", "data-theme"],
  });
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
}
