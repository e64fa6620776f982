/** Where colour scales end: views that share one can be compared. */

import type { ScaleKind, SideIndex } from "../values/sides";

interface View {
  readonly changed: () => void;
  readonly sizes: Map<string, number>;
}

/** What a view says of itself, and learns of the others. */
export interface Share {
  /** Report the largest value that this view shows on a side; return the largest of all views. */
  extend(side: SideIndex, kind: ScaleKind, size: number): number;
}

export class Scale {
  readonly #views = new Set<View>();

  /** Let a view share the scale until `signal` ends; `changed` is called when others change it. */
  join(changed: () => void, signal: AbortSignal): Share {
    const view: View = { changed, sizes: new Map() };
    this.#views.add(view);
    const leave = () => {
      this.#views.delete(view);
      if ([...view.sizes.values()].some((size) => size > 0)) this.#tellOthers(view);
    };
    signal.addEventListener("abort", leave, { once: true });
    return {
      extend: (side, kind, size) => {
        const name = `${side} ${kind}`;
        const before = this.#largest(name);
        view.sizes.set(name, size);
        const now = this.#largest(name);
        if (now !== before) this.#tellOthers(view);
        return now;
      },
    };
  }

  #largest(name: string): number {
    return Math.max(0, ...[...this.#views].map(({ sizes }) => sizes.get(name) ?? 0));
  }

  #tellOthers(view: View): void {
    for (const other of [...this.#views]) if (other !== view) other.changed();
  }
}
