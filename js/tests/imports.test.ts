/// <reference types="vite/client" />
import { expect, test } from "vitest";

/** A file may import from its own folder and from those before it; "." is the root. */
const ORDER = ["values", "model", "parts", "."];
const SOURCE = "../src/";
const sources: Record<string, string> = import.meta.glob("../src/**/*.ts", {
  query: "?raw",
  import: "default",
  eager: true,
});

const imports = new Map(
  Object.entries(sources).map(([path, text]) => [path.slice(SOURCE.length), importsOf(path, text)]),
);

function importsOf(path: string, text: string): string[] {
  const paths = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)];
  return paths.map(([, other]) => {
    const { pathname } = new URL(`${other}.ts`, new URL(path, "file:///here/tests/"));
    return pathname.replace("/here/src/", "");
  });
}

const floor = (name: string) =>
  ORDER.indexOf(name.includes("/") ? (name.split("/")[0] ?? "") : ".");

test("every file is in a known folder, and imports files that are there", () => {
  expect(imports.size).toBeGreaterThan(40);
  for (const [name, others] of imports) {
    expect(floor(name), name).toBeGreaterThanOrEqual(0);
    for (const other of others) expect([...imports.keys()]).toContain(other);
  }
});

test("no import leads upward", () => {
  const upward = [...imports].flatMap(([name, others]) =>
    others.filter((other) => floor(other) > floor(name)).map((other) => `${name} → ${other}`),
  );
  expect(upward).toEqual([]);
});

test("no import leads back to where it began", () => {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) circles.push([...path.slice(path.indexOf(name)), name].join(" → "));
    else if (!done.has(name)) {
      for (const other of imports.get(name) ?? []) visit(other, [...path, name]);
      done.add(name);
    }
  };
  for (const name of imports.keys()) visit(name, []);
  expect(circles).toEqual([]);
});
