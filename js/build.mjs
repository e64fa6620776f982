// Bundles the linked view and the gallery: for each one ES module and one style sheet, small enough
// to travel in every model, and the script of a page of its own, which holds both. With `--watch`,
// again on each change.
import { createHash } from "node:crypto";
import { watch } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

// Bytes. Every model carries its own copy of a module; a page's script holds the styles too.
const LIMITS = {
  "widget.js": 100_000,
  "widget.css": 100_000,
  "page.js": 134_000,
  "gallery.js": 30_000,
  "gallery.css": 30_000,
  "gallery_page.js": 40_000,
};
const SETTLED = 100; // milliseconds: saving a file makes several changes

const source = (name) => fileURLToPath(new URL(`src/${name}`, import.meta.url));
const output = (name) =>
  fileURLToPath(new URL(`../fpattr_widget/widget/static/${name}`, import.meta.url));

async function bundle(name, options = {}) {
  const { outputFiles } = await build({
    entryPoints: [source(name)],
    bundle: true,
    minify: true,
    target: "es2022",
    legalComments: "none",
    charset: "ascii",
    write: false,
    ...options,
  });
  return outputFiles[0].text.trim();
}

/**
 * Hosts import the module's text anew for each model, and a browser never lets go of a module. So
 * the module is a function that runs once a page: the others are not even compiled. It shares
 * code, no state: what it gives is a factory.
 */
function oncePerPage(text) {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return [
    `const load=()=>{${text}return fpattr.default};`,
    `const key=Symbol.for("fpattr_widget ${hash}");`,
    "export default()=>(globalThis[key]??=load())();\n",
  ].join("");
}

async function bundleModule(name) {
  return oncePerPage(await bundle(name, { format: "iife", globalName: "fpattr" }));
}

async function bundlePage(name, styles) {
  return bundle(name, { format: "iife", define: { STYLES: JSON.stringify(styles) } });
}

async function buildAll() {
  const [styles, galleryStyles] = [await bundle("styles.css"), await bundle("gallery.css")];
  const built = {
    "widget.js": await bundleModule("index.ts"),
    "widget.css": styles,
    "page.js": await bundlePage("page.ts", styles),
    "gallery.js": await bundleModule("gallery.ts"),
    "gallery.css": galleryStyles,
    "gallery_page.js": await bundlePage("gallery_page.ts", galleryStyles),
  };
  for (const [name, text] of Object.entries(built)) {
    const size = Buffer.byteLength(text);
    const limit = LIMITS[name];
    if (size > limit) throw new Error(`${name} is larger than ${limit} bytes`);
    await mkdir(dirname(output(name)), { recursive: true });
    await writeFile(output(name), text);
    console.log(`${name}  ${(size / 1000).toFixed(1)} kB`);
  }
}

/** Build again whenever a source is saved; a build that fails is reported, and the next one tried. */
function buildOnChange() {
  let timer;
  let building = Promise.resolve();
  watch(source(""), { recursive: true }, () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      building = building.then(buildAll).catch((error) => console.error(error.message));
    }, SETTLED);
  });
  console.log("building again on each change; Ctrl+C ends it");
}

await buildAll();
if (process.argv.includes("--watch")) buildOnChange();
