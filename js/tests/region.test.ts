import fc from "fast-check";
import { expect, test } from "vitest";
import { combine, toggle } from "../src/values/gestures";
import { outline, outlinePath, type Point, rectangle } from "../src/values/region";

const grid = fc.record({
  rows: fc.integer({ min: 1, max: 7 }),
  columns: fc.integer({ min: 1, max: 7 }),
});
const region = grid.chain(({ rows, columns }) =>
  fc.record({
    grid: fc.constant({ rows, columns }),
    cells: fc.uniqueArray(fc.nat(rows * columns - 1)),
  }),
);

function edges(loop: Point[]): [Point, Point][] {
  return loop.map((point, i) => [point, loop[(i + 1) % loop.length] as Point]);
}

test("the outline encloses as many cells as there are", () => {
  fc.assert(
    fc.property(region, ({ grid, cells }) => {
      let area = 0;
      for (const loop of outline(cells, grid)) {
        for (const [[x, y], [u, v]] of edges(loop)) area += (x * v - u * y) / 2;
      }
      expect(area).toBeCloseTo(cells.length, 9);
    }),
  );
});

test("the outline is as long as the border, straight, and never runs inside the region", () => {
  fc.assert(
    fc.property(region, ({ grid, cells }) => {
      const inside = new Set(cells);
      const { columns } = grid;
      const neighbours = (cell: number) =>
        [
          cell % columns > 0 && inside.has(cell - 1),
          cell % columns < columns - 1 && inside.has(cell + 1),
          inside.has(cell - columns),
          inside.has(cell + columns),
        ].filter(Boolean).length;
      const border = cells.reduce((sum, cell) => sum + 4 - neighbours(cell), 0);
      let length = 0;
      for (const loop of outline(cells, grid)) {
        for (const [[x, y], [u, v]] of edges(loop)) {
          expect(x === u || y === v).toBe(true);
          length += Math.abs(x - u) + Math.abs(y - v);
        }
      }
      expect(length).toBe(border);
    }),
  );
});

test("a block has one loop of four corners, and a hole one of its own", () => {
  const three = { rows: 3, columns: 3 };
  expect(outlinePath([0, 1, 3, 4], three)).toBe("M0 0L2 0L2 2L0 2Z");
  expect(outline([0, 1, 2, 3, 5, 6, 7, 8], three)).toHaveLength(2);
  expect(outlinePath([], three)).toBe("");
});

test("cells that touch at a corner alone keep an outline each", () => {
  const three = { rows: 3, columns: 3 };
  expect(outline([0, 4], three).map((loop) => loop.length)).toEqual([4, 4]);
  expect(outline([1, 3], three).map((loop) => loop.length)).toEqual([4, 4]);
});

test("a rectangle holds its corners, whichever way it was drawn", () => {
  fc.assert(
    fc.property(grid, fc.nat(), fc.nat(), (grid, a, b) => {
      const count = grid.rows * grid.columns;
      const [from, to] = [a % count, b % count];
      const cells = rectangle(from, to, grid);
      expect(cells).toEqual(rectangle(to, from, grid));
      expect(cells).toEqual(expect.arrayContaining([from, to]));
      const rows = 1 + Math.abs(Math.floor(from / grid.columns) - Math.floor(to / grid.columns));
      const columns = 1 + Math.abs((from % grid.columns) - (to % grid.columns));
      expect(cells).toHaveLength(rows * columns);
    }),
  );
});

test("gestures replace, add and take away; a second click on all of it clears", () => {
  expect(combine([1, 2], [5, 3], "replace")).toEqual([3, 5]);
  expect(combine([1, 2], [2, 0], "add")).toEqual([0, 1, 2]);
  expect(combine([1, 2], [2, 0], "remove")).toEqual([1]);
  expect(toggle([3], [3], "replace")).toEqual([]);
  expect(toggle([3, 4], [3], "replace")).toEqual([3]);
});
