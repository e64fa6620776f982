/** Sets of cells on a grid: rectangles, and the outline of their union. */

export interface Grid {
  rows: number;
  columns: number;
}

/** `row 1, column 3`: how a cell is called. */
export function cellName(cell: number, { columns }: Grid): string {
  return `row ${Math.floor(cell / columns) + 1}, column ${(cell % columns) + 1}`;
}

/** All cells of the rectangle that two cells span. */
export function rectangle(from: number, to: number, { columns }: Grid): number[] {
  const rows = [Math.floor(from / columns), Math.floor(to / columns)].sort((a, b) => a - b);
  const spans = [from % columns, to % columns].sort((a, b) => a - b);
  const cells: number[] = [];
  for (let row = rows[0] ?? 0; row <= (rows[1] ?? 0); row++) {
    for (let column = spans[0] ?? 0; column <= (spans[1] ?? 0); column++) {
      cells.push(row * columns + column);
    }
  }
  return cells;
}

export type Point = readonly [x: number, y: number];

/** Right, down, left, up: a border walked in this order has its cells on the right hand. */
const STEPS: readonly Point[] = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
];

/**
 * The border of a set of cells as closed loops of corners, in units of cells.
 *
 * Outer borders run clockwise on the screen and holes against it, so that the signed areas of all
 * loops sum to the number of cells.
 */
export function outline(cells: readonly number[], { rows, columns }: Grid): Point[][] {
  const inside = new Set(cells);
  const has = (x: number, y: number) =>
    x >= 0 && x < columns && y >= 0 && y < rows && inside.has(y * columns + x);
  const key = (x: number, y: number) => y * (columns + 1) + x;
  /** For each corner, the directions of the border's edges that leave it. */
  const leaving = new Map<number, number[]>();
  const add = (x: number, y: number, direction: number) => {
    const known = leaving.get(key(x, y));
    if (known) known.push(direction);
    else leaving.set(key(x, y), [direction]);
  };
  for (const cell of inside) {
    const x = cell % columns;
    const y = Math.floor(cell / columns);
    if (!has(x, y)) continue;
    if (!has(x, y - 1)) add(x, y, 0);
    if (!has(x + 1, y)) add(x + 1, y, 1);
    if (!has(x, y + 1)) add(x + 1, y + 1, 2);
    if (!has(x - 1, y)) add(x, y + 1, 3);
  }
  const loops: Point[][] = [];
  for (const [start, directions] of leaving) {
    while (directions.length > 0) {
      const loop: Point[] = [];
      let [x, y] = [start % (columns + 1), Math.floor(start / (columns + 1))];
      let last = -1;
      do {
        const choices = leaving.get(key(x, y)) as number[];
        // Where two loops touch at a corner, turn right: each cell keeps its own loop.
        const turn = choices.indexOf((last + 1) % 4);
        const [next = 0] = choices.splice(last >= 0 && turn >= 0 ? turn : 0, 1);
        if (next !== last) loop.push([x, y]);
        const [dx, dy] = STEPS[next] as Point;
        x += dx;
        y += dy;
        last = next;
      } while (key(x, y) !== start);
      loops.push(loop);
    }
  }
  return loops;
}

/** The outline as an SVG path. */
export function outlinePath(cells: readonly number[], grid: Grid): string {
  return outline(cells, grid)
    .map((loop) => `M${loop.map(([x, y]) => `${x} ${y}`).join("L")}Z`)
    .join("");
}
