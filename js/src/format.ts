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

/** `0.85`, `−0.03`: two decimals, no plus. */
export function plain(value: number): string {
  const text = Math.abs(value).toFixed(2);
  return value < 0 && Number(text) > 0 ? MINUS + text : text;
}

/** `26%`, `−4%`, `<1%`. */
export function percent(share: number): string {
  const rounded = Math.round(Math.abs(share) * 100);
  const text = rounded === 0 && share !== 0 ? "<1%" : `${rounded}%`;
  return share < 0 && rounded > 0 ? MINUS + text : text;
}

export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : many}`;
}

/** A value for a data attribute: as many digits as float32 has. */
export function exact(value: number): string {
  return String(Number(value.toPrecision(7)));
}

/** `+0.083 · 10%`: a value, and the share that it is of the whole, where it is one. */
export function valueAndShare(value: number, whole: number | null): string {
  if (Number.isNaN(value)) return "…";
  return whole === null ? signed(value) : `${signed(value)} · ${percent(value / whole)}`;
}
