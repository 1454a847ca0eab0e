import { PAGE_SIZE } from '../../isa/layout.ts';

/**
 * A snapshot file, `.hss`: a whole machine at an instant. Numbers are little-endian.
 *
 * ```
 * magic    8 bytes "HSSTATE" and the version of this format
 * machine  version of the machine u32: what its devices and harts save
 * section  tag u32, CRC-32C of the body u32, length u32, body; in the order CONFIG, MACHINE, NETWORK, FILES, DISK…, PAGES, INDEX, DATA, END
 * ```
 * CONFIG   JSON; names all images of the machine by hash
 * MACHINE  what Engine.saveState writes
 * NETWORK  connections that the guest has open, if it has any: what GuestConnections.save writes
 * FILES    other snapshot files that hold pages of this one: count u32, each SHA-256 (32 bytes)
 * DISK     written chunks of one disk: count u32, each id u32, sectors u8, file u16, slot u32
 * PAGES    pages of RAM that are not as at power-on: count u32, each a run: first page u32, pages u32, file u16, first slot u32
 * INDEX    what this file holds: slots u32, then each group's length u32 and CRC-32C u32, then each slot's hash (see bytes/hash.ts) as 2 × u32
 * DATA     the groups, one after the other: {@link GROUP} slots compressed together, the last perhaps fewer. Its section has no checksum of its own
 * END      empty; nothing follows
 *
 * A slot holds PAGE_SIZE bytes. File 0 is this one, 1 … those of FILES, {@link ZEROS} a page of zeros, whose slot does not matter.
 */
export const MAGIC = 'HSSTATE';
/** Version of this format. */
export const STATE_VERSION = 4;
export const SECTION = {
  CONFIG: 1,
  MACHINE: 2,
  DISK: 3,
  FILES: 4,
  PAGES: 5,
  INDEX: 6,
  DATA: 7,
  END: 8,
  NETWORK: 9,
} as const;
/** Slots compressed together: more pack better, fewer cost less when one page is wanted. */
export const GROUP = 4;
export const GROUP_BYTES = GROUP * PAGE_SIZE;
/** In place of a file's number. */
export const ZEROS = 0xffff;
/** Bytes of a section before its body. */
export const SECTION_HEAD = 12;
/** Bytes of a SHA-256. */
export const HASH_BYTES = 32;

/** Where a page's contents lie. */
export interface PagePlace {
  readonly file: number;
  readonly slot: number;
}

/** Pages of RAM that lie in consecutive slots of a file; {@link ZEROS} has none. */
export interface PageRun extends PagePlace {
  readonly first: number;
  readonly count: number;
}

/** A chunk of a disk that was written. */
export interface DiskChunkPlace extends PagePlace {
  readonly id: number;
  /** Bits of the sectors that were written. */
  readonly mask: number;
}
