import { TALLIES_AT } from '../isa/layout.ts';

/** Bytes of what entries are made of. */
export const WORD = 8;
/** A thread's name in the kernel (TASK_COMM_LEN, Linux include/linux/sched.h). */
export const COMM_SIZE = 16;

/** Part of a key: an integer, or the 16 bytes of a thread's name. */
export type KeyKind = 'signed' | 'unsigned' | 'comm';

/** How often compiled blocks were met; then come the entries. */
export const HITS_AT = TALLIES_AT;
/** Where the entries are. */
export const ENTRIES_FROM = TALLIES_AT + WORD;

/** Where a statement keeps what it counts. */
export interface Tally {
  readonly map: string;
  readonly name: string;
  readonly key: readonly KeyKind[];
  /** Of the value. */
  readonly signed: boolean;
  readonly at: number;
  /** Bytes of an entry: a word that is 1 when it is used, the key's words, the number of values, the summary. */
  readonly size: number;
  /** A power of 2; 1 without a key. */
  readonly capacity: number;
  /** Where it is counted how many entries more may come, of all statements of the map. */
  readonly roomAt: number;
}

/** Words of a key in an entry. */
export const keyWords = (key: readonly KeyKind[]): number => key.reduce((n, kind) => n + (kind === 'comm' ? 2 : 1), 0);
