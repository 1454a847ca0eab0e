/** What a site has besides the page: `guest/site.json`. Written by `hindsight web`. */
export interface SiteManifest {
  readonly version: 1;
  /** The guest that the page starts; a site may have recordings only. */
  readonly guest?: SiteGuest;
  /** Files of machines: kernels, disks, snapshots, … */
  readonly images: readonly SiteImage[];
  /** Recordings to choose from. */
  readonly recordings?: readonly SiteRecording[];
}

/** A recording of the site. */
export interface SiteRecording {
  /** Its name for people. */
  readonly title: string;
  /** Relative to the page. */
  readonly address: string;
}

/** A guest, its files named by their hashes. */
export interface SiteGuest {
  /** Bytes of RAM. */
  readonly memory: number;
  /** The kernel's command line. */
  readonly append: string;
  readonly kernel: string;
  readonly initrd: string;
  /** The guest's own snapshot, and the snapshot files that it shares pages with. */
  readonly start: string;
  readonly bases: readonly string[];
}

/** A file of the site. */
export interface SiteImage {
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
