import { expect, test, vi } from "vitest";

/** A part of a page as Python writes it: a gallery, and what opens when an item is chosen. */
function part(chosen: number[][], explains: string[]): string {
  const items = [0, 1].map((number) => ({
    ...{ name: `${number}.jpg`, score: 0.3, text: "", note: "", marked: false },
    ...{ pictured: false, place: number + 1 },
  }));
  const shelves = [0, 1].map((number) => ({ title: `shelf ${number}`, items }));
  const state = { shelves, chosen, most_chosen: 1, hint: "", theme: "light", thumbnails: {} };
  const sections = explains.map((keys) => `<section data-explains="${keys}">${keys}</section>`);
  return `<div data-fpattr-chosen><div data-fpattr-gallery>
    <script type="application/json">${JSON.stringify(state)}</script></div>${sections.join("")}
    <section data-explains="" hidden>nothing</section></div>`;
}

const shown = () =>
  [...document.querySelectorAll<HTMLElement>("[data-explains]")]
    .filter((section) => !section.hidden)
    .map((section) => section.textContent);

test("each gallery of a page opens its own explanations, by any of their items", async () => {
  vi.stubGlobal("STYLES", "");
  document.body.innerHTML = part([[0, 0]], ["0/0", "0/1,1/0"]) + part([[1, 1]], ["0/0", "1/1"]);
  await import("../src/gallery_page");
  expect(shown()).toEqual(["0/0", "1/1"]);
  const [first] = document.querySelectorAll("[data-fpattr-gallery] > div");
  const tiles = [...(first?.shadowRoot?.querySelectorAll<HTMLElement>("[role=option]") ?? [])];
  expect(tiles).toHaveLength(4);
  tiles[2]?.click(); // the first of the second shelf
  expect(shown()).toEqual(["0/1,1/0", "1/1"]);
  tiles[1]?.click();
  expect(shown()).toEqual(["0/1,1/0", "1/1"]);
  tiles[3]?.click();
  expect(shown()).toEqual(["nothing", "1/1"]);
});
