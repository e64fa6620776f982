/** Numbers as text: a real minus sign, a plus where the sign matters, two digits that count. */

const MINUS = "−";
const TINY = 1e-6;

/** `+0.109`, `−0.0021`, `0`: at least three decimals, and two significant digits. */
export function signed(value: number): string {
  if (Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size < TINY) return "0";
  const decimals = Math.max(3, 1 - Math.floor(Math.log10(size)));
  return (value < 0 ? MINUS : "+") + size.toFixed(decimals);
}

/** `+0.167`, `−83.1`: at most six characters, for a chip that must not grow. */
export function brief(value: number): string {
  const size = Math.abs(value);
  if (!(size >= 0.0005)) return Number.isNaN(value) ? "–" : "0";
  const decimals = size < 9.9995 ? 3 : size < 999.95 ? 1 : 0;
  return (value < 0 ? MINUS : "+") + size.toFixed(decimals);
}

/** `0.85`, `−0.03`: two decimals, no plus. */
export function plain(value: number): string {
  return fixed(value, 2);
}

/**
 * How many decimals numbers need that add up to `end`: two, fewer where the largest of them is
 * large, and three where the end would read almost nothing.
 */
export function decimalsFor(end: number, largest: number): number {
  if (largest >= 999.5) return 0;
  if (largest >= 9.95) return 1;
  return Math.abs(end) >= 0.0995 ? 2 : 3;
}

/** `0.31`, `−12.0`: so many decimals; a plus where `plus` asks for it. */
export function fixed(value: number, decimals: number, plus = false): string {
  if (Number.isNaN(value)) return "–";
  const text = Math.abs(value).toFixed(decimals);
  if (Number(text) === 0) return text;
  return (value < 0 ? MINUS : plus ? "+" : "") + text;
}

/** `26%`, `<1%`: a share of what it is a part of, from 0 to 1. */
export function percent(share: number): string {
  const rounded = Math.round(share * 100);
  return rounded === 0 && share > 0 ? "<1%" : `${rounded}%`;
}

export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : many}`;
}

/** A value for a data attribute: as many digits as float32 has. */
export function exact(value: number): string {
  return String(Number(value.toPrecision(7)));
}

/** A value that may be on its way. */
export function readOut(value: number): string {
  return Number.isNaN(value) ? "…" : signed(value);
}

/** Whether a value would read `0`. */
export function isNothing(value: number): boolean {
  return Math.abs(value) < TINY;
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(names: readonly string[]): string {
  if (names.length < 2) return names[0] ?? "";
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
