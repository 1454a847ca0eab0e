/** A file that is part of a machine, by the hash of its contents. */
export interface ImageName {
  /** As the user named it; for messages only. */
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256, 64 lower-case hexadecimal digits; empty while nobody needed it. */
  readonly hash: string;
}
