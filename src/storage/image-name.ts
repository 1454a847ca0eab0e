/** A file that is part of a machine, by the hash of its contents. */
export interface ImageName {
  /** As the user named it; for messages only. */
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256, 64 lower-case hexadecimal digits; empty while nobody needed it. */
  readonly hash: string;
}

/** An overlay file at a moment: what recordings know it by. */
export interface DiskOverlay {
  /** Path of the overlay. */
  readonly file: string;
  /** Of the overlay, for as long as it is one: 32 hexadecimal digits. */
  readonly id: string;
  /** Its last commit. */
  readonly sequence: number;
  /** Names what it held: 16 hexadecimal digits. */
  readonly state: string;
}
