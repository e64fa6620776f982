/** Where colour scales end: views that share one can be compared. */

import type { SideIndex } from "../values/sides";

interface View {
  readonly changed: () => void;
  readonly sizes: [number, number];
}

/** What a view says of itself, and learns of the others. */
export interface Share {
  /** Report the largest value that this view shows on a side; return the largest of all views. */
  extend(side: SideIndex, size: number): number;
}

export class Scale {
  readonly #views = new Set<View>();

  /** Let a view share the scale until `signal` ends; `changed` is called when others change it. */
  join(changed: () => void, signal: AbortSignal): Share {
    const view: View = { changed, sizes: [0, 0] };
    this.#views.add(view);
    const leave = () => {
      this.#views.delete(view);
      if (view.sizes.some((size) => size > 0)) this.#tellOthers(view);
    };
    signal.addEventListener("abort", leave, { once: true });
    return {
      extend: (side, size) => {
        const before = this.#largest(side);
        view.sizes[side] = size;
        const now = this.#largest(side);
        if (now !== before) this.#tellOthers(view);
        return now;
      },
    };
  }

  #largest(side: SideIndex): number {
    return Math.max(0, ...[...this.#views].map(({ sizes }) => sizes[side]));
  }

  #tellOthers(view: View): void {
    for (const other of [...this.#views]) if (other !== view) other.changed();
  }
}
