/** What a head read of a picture for a text, and what changes between two readings. Pure. */

import { isNothing } from "./format";
import type { Grid } from "./region";
import type { AnyPanel, ReadOutState } from "./shapes";
import type { Both } from "./sides";
import { total } from "./sums";

/** What is read, or the change of it. */
export interface Place {
  readonly name: string;
  /** The name without what all names begin with. */
  readonly label: string;
  /** Of each route. */
  readonly weights: readonly number[];
  /** Mean of the weights over routes. */
  readonly weight: number;
  /** Its part of the cosine. */
  readonly contribution: number;
}

/** A read-out, or the difference of two. */
export interface Reading {
  readonly routes: readonly string[];
  readonly places: readonly Place[];
  /** Of patches, where the places are these. */
  readonly grid: Grid | null;
  /** Mean over routes; null where a head has no such place. */
  readonly nowhere: number | null;
  readonly constant: number;
  readonly similarity: number;
  /** `exp(entropy)` of the places' shares: 1 where one is read; null of a difference. */
  readonly effective: number | null;
  readonly compared: Readonly<Record<string, number>>;
}

/** A read-out as it is shown; `route` alone, or by the mean over all. */
export function readingOf(state: ReadOutState, route: number | null = null): Reading {
  const of = <T>(values: readonly T[]): readonly T[] =>
    route === null ? values : values.slice(route, route + 1);
  const [weights, contributions] = [of(state.weights), of(state.contributions)];
  const [rows = 0, columns = 0] = state.grid ?? [];
  const count = state.weights[0]?.length ?? 0;
  const names = Array.from(
    { length: count },
    (_, i) => state.places[i] ?? `row ${Math.floor(i / columns) + 1}, column ${(i % columns) + 1}`,
  );
  const shared = state.grid ? 0 : sharedStart(names);
  const places = names.map((name, i): Place => {
    const each = weights.map((row) => row[i] ?? 0);
    return {
      ...{ name, label: name.slice(shared), weights: each, weight: mean(each) },
      contribution: total(contributions.map((row) => row[i] ?? 0)),
    };
  });
  return {
    routes: of(state.routes),
    places,
    grid: state.grid && { rows, columns },
    nowhere: state.nowhere && mean(of(state.nowhere)),
    effective: effectiveNumber(places.map(({ weight }) => weight)),
    constant: state.constant,
    similarity: state.similarity,
    compared: state.compared,
  };
}

/** What the first reading has more than the second; null where they are not of the same places. */
export function changeOf(first: Reading, second: Reading): Reading | null {
  const { places: some, routes } = first;
  const others = second.places;
  if (some.length !== others.length || some.some(({ name }, i) => name !== others[i]?.name)) {
    return null;
  }
  const alike = routes.length === second.routes.length;
  return {
    ...first,
    routes: alike ? routes : [],
    places: some.map((place, i) => {
      const other = others[i] as Place;
      return {
        ...place,
        weights: alike ? place.weights.map((weight, r) => weight - (other.weights[r] ?? 0)) : [],
        weight: place.weight - other.weight,
        contribution: place.contribution - other.contribution,
      };
    }),
    nowhere: first.nowhere === null ? null : first.nowhere - (second.nowhere ?? 0),
    constant: first.constant - second.constant,
    similarity: first.similarity - second.similarity,
    effective: null,
    compared: {},
  };
}

/** What a bar is of: a place, nowhere, or the constant; what it has nothing of is null. */
export interface Bar {
  readonly kind: "place" | "nowhere" | "constant";
  readonly name: string;
  readonly label: string;
  readonly weight: number | null;
  readonly contribution: number | null;
  /** Of each route. */
  readonly weights: readonly number[];
}

/** A bar for each place, and one for each thing besides that is there; together they are all. */
export function barsOf({ places, nowhere, constant }: Reading): Bar[] {
  const beside = (
    kind: "nowhere" | "constant",
    weight: number | null,
    contribution: number | null,
  ): Bar => ({ kind, name: kind, label: kind, weight, contribution, weights: [] });
  const bars = places.map((place): Bar => ({ kind: "place", ...place }));
  if (nowhere !== null) bars.push(beside("nowhere", nowhere, null));
  if (!isNothing(constant)) bars.push(beside("constant", null, constant));
  return bars;
}

/** `exp(entropy)` of the shares of a sum: 1 where one has all, n where n have the same, else 0. */
export function effectiveNumber(weights: readonly number[]): number {
  const sum = total(weights);
  if (!(sum > 0)) return 0;
  return Math.exp(
    -total(weights.map((weight) => (weight > 0 ? (weight / sum) * Math.log(weight / sum) : 0))),
  );
}

const ALMOST = 0.999;

/**
 * For each route the one patch that it reads, or null where it reads none of them; where some
 * route reads several, there are no winners.
 */
export function winnersOf({ grid, weights }: ReadOutState): (number | null)[] | null {
  if (!grid || (weights[0]?.length ?? 0) < 2) return null;
  const winners = weights.map((row) => {
    const [most, all] = [Math.max(...row), total(row)];
    if (all === 0) return null;
    return most >= ALMOST * all ? row.indexOf(most) : -1;
  });
  return winners.includes(-1) || winners.every((winner) => winner === null) ? null : winners;
}

/** For each route, the number of the token that it is; none where no token is called like it. */
export function tokensOfRoutes({ routes }: ReadOutState, panel: AnyPanel): (number | null)[] {
  if (panel.kind !== "sentence") return routes.map(() => null);
  if (routes.length === panel.features) return routes.map((_, i) => i);
  let next = 0;
  return routes.map((route) => {
    const found = panel.tokens.findIndex(({ text }, i) => i >= next && text === route);
    if (found < 0) return null;
    next = found + 1;
    return found;
  });
}

/** A read-out beside the inputs that it is of. */
export interface Read {
  readonly state: ReadOutState;
  /** Numbers of the inputs on their sides, and of their first features. */
  readonly inputs: Both<number>;
  readonly firsts: Both<number>;
}

/** Read-outs of each input of the rows with each of the columns, in this order. */
export function readsOf(
  states: readonly ReadOutState[],
  inputs: Both<readonly AnyPanel[]>,
): Read[] {
  const firsts = inputs.map((panels) => {
    let first = 0;
    return panels.map(({ features }) => {
      first += features;
      return first - features;
    });
  });
  const columns = inputs[1].length;
  return states.map((state, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return {
      state,
      inputs: [row, column],
      firsts: [firsts[0]?.[row] ?? 0, firsts[1]?.[column] ?? 0],
    };
  });
}

/** For features of side 0, the patches of side 1 that each reads alone. */
export function wonPatches(
  reads: readonly Read[],
  inputs: Both<readonly AnyPanel[]>,
): Map<number, number[]> {
  const won = new Map<number, number[]>();
  for (const { state, inputs: numbers, firsts } of reads) {
    const winners = winnersOf(state);
    const text = inputs[0][numbers[0]];
    const picture = inputs[1][numbers[1]];
    if (!winners || !text || picture?.kind !== "picture") continue;
    tokensOfRoutes(state, text).forEach((token, route) => {
      const winner = winners[route] ?? null;
      if (token === null || winner === null) return;
      const patch = firsts[1] + picture.names.length + winner;
      const feature = firsts[0] + token;
      won.set(feature, [...(won.get(feature) ?? []), patch]);
    });
  }
  return won;
}

function mean(values: readonly number[]): number {
  return total(values) / Math.max(values.length, 1);
}

/** How many characters all names begin with, up to and with a blank. */
function sharedStart(names: readonly string[]): number {
  const [first = ""] = names;
  const stop = first.lastIndexOf(" ") + 1;
  const start = first.slice(0, stop);
  return names.length > 1 && names.every((name) => name.startsWith(start)) ? stop : 0;
}

/** `+12%`, `−3%`: a difference of shares. */
export function signedPercent(value: number): string {
  const size = Math.round(100 * Math.abs(value));
  return size === 0 ? "0%" : `${value < 0 ? "−" : "+"}${size}%`;
}
