/** What a site offers to start from: `guest/guest.json` beside the page. Written by `hindsight web`. */
export interface SiteGuest {
  readonly version: 1;
  /** Bytes of RAM. */
  readonly memory: number;
  /** The kernel's command line. */
  readonly append: string;
  readonly kernel: ManifestFile;
  readonly initrd: ManifestFile;
  /** The guest's own snapshot. */
  readonly start: ManifestFile;
  /** Snapshot files that it shares pages with. */
  readonly bases: readonly ManifestFile[];
}

/** A file of the site. */
export interface ManifestFile {
  /** Its name for people. */
  readonly file: string;
  /** Address, relative to the manifest. */
  readonly path: string;
  /** Bytes, and SHA-256 in 64 hexadecimal digits, of its contents. */
  readonly size: number;
  readonly hash: string;
  /** How it lies on the server, and how many bytes it has there; as it is when left out. */
  readonly encoding?: 'gzip';
  readonly stored?: number;
}
