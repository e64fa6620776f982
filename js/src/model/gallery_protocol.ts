/** What travels between Python and a gallery; names and fields are those of Python's gallery. */

import type { Place, ShelfState, ThumbnailStates } from "../values/gallery";
import type { Theme } from "../values/settings";

/** The synced state of a gallery. */
export type GalleryTraits = {
  shelves: ShelfState[];
  most_chosen: number;
  hint: string;
  theme: Theme;
  chosen: Place[];
  thumbnails: ThumbnailStates;
};

export type GalleryOutgoing =
  | { type: "thumbnails"; items: Place[] }
  /** Sent beside the trait, which is set in the page alone. */
  | { type: "choose"; chosen: Place[] };

/** The message's buffer is a JPEG, unless the picture cannot be read. */
export interface ThumbnailMessage {
  type: "thumbnail";
  place: Place;
  made: boolean;
}

/** The part of a host's model that a gallery uses. */
export interface GalleryModel {
  get<K extends keyof GalleryTraits>(key: K): GalleryTraits[K];
  set<K extends keyof GalleryTraits>(key: K, value: GalleryTraits[K]): void;
  send(content: GalleryOutgoing): void;
  // biome-ignore lint/suspicious/noExplicitAny: hosts call listeners with what they like
  on(event: string, listener: (...values: any[]) => void): void;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  off(event: string, listener: (...values: any[]) => void): void;
}
