import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Engine } from '../../../machine/engine/engine.ts';
import type { StartSnapshot } from '../../../machine/session/session.ts';
import {
  type FirstPages,
  NO_PAGES,
  packFirstPages,
  putFirstPages,
  readFirstPages,
} from '../../../machine/state/first-pages.ts';
import { SnapshotPages } from '../../../machine/state/snapshot.ts';
import { replaceFile } from '../replace-file.ts';

/*
 * The first pages of a snapshot are in a file beside it, after their SHA-256. It is a cache of what the snapshot holds: it may be deleted, is ignored when it
 * is damaged, and says nothing about the machine.
 */
const SUM = 32;
/** A start that fetched fewer pages one by one has nothing to add. */
const WORTH_KEEPING = 96;

/** Where the first pages of a snapshot file are. @param snapshot its path, which ends in .hss */
export const firstPagesPath = (snapshot: string): string => snapshot.replace(/\.hss$/, '.first');

const sumOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

function read(snapshot: string): FirstPages {
  try {
    const file = readFileSync(firstPagesPath(snapshot));
    const pages = file.subarray(SUM);
    return sumOf(pages).equals(file.subarray(0, SUM)) ? readFirstPages(pages) : NO_PAGES;
  } catch {
    return NO_PAGES;
  }
}

/** Gives a machine that has just been made from a snapshot the pages that others touched first, and notes which more it touches. */
export function takeFirstPages({ memory }: Engine, start: StartSnapshot): void {
  putFirstPages(memory.absent, read(start.name.file));
}

/** Keeps the pages that a machine touched first for later ones. A cache: failing to write it fails nothing. */
export async function keepFirstPages(
  { memory }: Engine,
  { name, snapshot }: StartSnapshot,
  worth: number = WORTH_KEEPING,
): Promise<void> {
  const { source, touched } = memory.absent;
  // One that went back may have been given pages of another kind.
  if (!(source instanceof SnapshotPages) || source.snapshot !== snapshot || touched.length < worth) return;
  try {
    const pages = packFirstPages(read(name.file), touched, source);
    await replaceFile(firstPagesPath(name.file), Buffer.concat([sumOf(pages), pages]));
  } catch {
    // A full or read-only disk, or a damaged snapshot, which says so where it is needed.
  }
}
