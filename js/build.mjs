// Bundles the widget: one ES module and one style sheet, both small enough to travel in every model.
import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const LIMIT = 100_000; // bytes: every widget model carries its own copy of the module

const source = (name) => fileURLToPath(new URL(`src/${name}`, import.meta.url));
const output = (name) =>
  fileURLToPath(new URL(`../fpattr_widget/widget/static/${name}`, import.meta.url));
const shared = { bundle: true, minify: true, target: "es2022", legalComments: "none" };

await build({
  ...shared,
  entryPoints: [source("index.ts")],
  outfile: output("widget.js"),
  format: "esm",
  charset: "ascii",
});
await build({ ...shared, entryPoints: [source("styles.css")], outfile: output("widget.css") });

for (const name of ["widget.js", "widget.css"]) {
  const { size } = await stat(output(name));
  console.log(`${name}  ${(size / 1000).toFixed(1)} kB`);
  if (size > LIMIT) throw new Error(`${name} is larger than ${LIMIT} bytes`);
}
