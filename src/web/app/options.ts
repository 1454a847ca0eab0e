/** What the page is to show. */
export interface AppOptions {
  /** Address of the folder with the page's scripts and its guest, ending in `/`. */
  readonly base: string;
  /** Whether the page's address holds the view. */
  readonly ownsAddress: boolean;
  /** What to show where the page's address does not say, in its form. */
  readonly view: string;
  /** Hears where the machine is, and what went wrong. */
  readonly tell: (kind: 'state' | 'error', detail: unknown) => void;
  /** A recording to open, in place of the one that the page's address names. */
  readonly recording?: File | { readonly address: string };
  /** The user chose another recording: close this one and open that. */
  readonly reopen: (recording: File | { readonly address: string }) => void;
}
