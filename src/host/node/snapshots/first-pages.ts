import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { PAGE_SIZE } from '../../../isa/layout.ts';
import type { Machine } from '../../../machine/session/machine.ts';
import type { StartSnapshot } from '../../../machine/session/session.ts';
import { SnapshotPages } from '../../../machine/state/snapshot.ts';
import { replaceFile } from '../replace-file.ts';

/**
 * The pages of a snapshot that machines touch first, as they are, in a file beside it: one read instead of a thousand pieces that are unpacked one by
 * one. A cache of what the snapshot holds, which may be deleted, is ignored when it is damaged, and says nothing about the machine.
 *
 * ```
 * SHA-256 of what follows, 32 bytes · "HSFIRST1" · pages u32, and the number of each u32 · their contents
 * ```
 */
const MAGIC = 'HSFIRST1';
const SUM = 32;
const HEAD = SUM + MAGIC.length + 4;
/** Pages that are kept at most: 8 MiB. */
const MOST = 2048;
/** A start that fetched fewer pages one by one has nothing to add. */
const WORTH_KEEPING = 96;

/** Where the first pages of a snapshot file are. @param snapshot its path, which ends in .hss */
export const firstPagesPath = (snapshot: string): string => snapshot.replace(/\.hss$/, '.first');

const sumOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** The numbers of the pages, and their contents one after the other; none where the file is missing or damaged. */
function read(snapshot: string): { readonly pages: Uint32Array; readonly contents: Uint8Array } {
  const none = { pages: new Uint32Array(), contents: new Uint8Array() };
  let file: Buffer;
  try {
    file = readFileSync(firstPagesPath(snapshot));
  } catch {
    return none;
  }
  if (file.length < HEAD || file.toString('latin1', SUM, SUM + MAGIC.length) !== MAGIC) return none;
  const count = file.readUInt32LE(HEAD - 4);
  if (file.length !== HEAD + count * (4 + PAGE_SIZE) || !sumOf(file.subarray(SUM)).equals(file.subarray(0, SUM)))
    return none;
  const pages = Uint32Array.from({ length: count }, (_, i) => file.readUInt32LE(HEAD + i * 4));
  return { pages, contents: file.subarray(HEAD + count * 4) };
}

/** Gives a machine that has just been made from a snapshot the pages that others touched first, and notes which more it touches. */
export function takeFirstPages(machine: Machine, start: StartSnapshot): void {
  const { absent } = machine.internals.engine.memory;
  const { pages, contents } = read(start.name.file);
  pages.forEach((page, i) => absent.put(page, contents.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE)));
  absent.note(MOST - pages.length);
}

/** Keeps the pages that a machine touched first for later ones. A cache: failing to write it fails nothing. */
export async function keepFirstPages(machine: Machine, start: StartSnapshot): Promise<void> {
  const { source, touched } = machine.internals.engine.memory.absent;
  // One that went back may have been given pages of another kind.
  if (!(source instanceof SnapshotPages) || source.snapshot !== start.snapshot || touched.length < WORTH_KEEPING)
    return;
  const before = read(start.name.file);
  const at = new Map([...before.pages].map((page, i) => [page, i]));
  const pages = [...new Set([...before.pages, ...touched])].sort((a, b) => a - b).slice(0, MOST);
  const file = Buffer.alloc(HEAD + pages.length * (4 + PAGE_SIZE));
  file.write(MAGIC, SUM, 'latin1');
  file.writeUInt32LE(pages.length, HEAD - 4);
  const contents = file.subarray(HEAD + pages.length * 4);
  try {
    for (const [i, page] of pages.entries()) {
      file.writeUInt32LE(page, HEAD + i * 4);
      const known = at.get(page);
      const into = contents.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE);
      if (known === undefined) source.read(page, into);
      else into.set(before.contents.subarray(known * PAGE_SIZE, (known + 1) * PAGE_SIZE));
    }
    sumOf(file.subarray(SUM)).copy(file);
    await replaceFile(firstPagesPath(start.name.file), file);
  } catch {
    // A full or read-only disk, or a damaged snapshot, which says so where it is needed.
  }
}
