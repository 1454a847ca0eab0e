import { type BlockReader, Ext4Error, JOURNAL_MAGIC } from './blocks.ts';

/**
 * Recovery of a journal without writing (Linux, Documentation/filesystems/ext4/journal.rst): what committed transactions hold is read from the
 * journal instead of its place. All of it is big-endian.
 */

const BLOCK_TYPE = { descriptor: 1, commit: 2, revoke: 5 } as const;
const INCOMPAT = { revoke: 1, wide: 2, asyncCommit: 4, checksumV2: 8, checksumV3: 16 } as const;
const KNOWN = INCOMPAT.revoke | INCOMPAT.wide | INCOMPAT.asyncCommit | INCOMPAT.checksumV2 | INCOMPAT.checksumV3;
const TAG = { escaped: 1, sameUuid: 2, last: 8 } as const;
const HEADER = 12;
const REVOKE_HEADER = 16;
const UUID = 16;

interface Write {
  readonly target: number;
  readonly sequence: number;
  readonly block: number;
  readonly escaped: boolean;
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * Finds what the journal holds and has it read from there.
 * @param at the disk's block that is the journal's block `index`
 * @throws Ext4Error when the journal is damaged or of an unknown kind
 */
export async function recoverJournal(blocks: BlockReader, at: (index: number) => Promise<number>): Promise<void> {
  const superblock = view(await blocks.data(await at(0)));
  if (superblock.getUint32(0) !== JOURNAL_MAGIC)
    throw new Ext4Error('the journal does not begin with its magic number');
  const incompatible = superblock.getUint32(0x28);
  if ((incompatible & ~KNOWN) !== 0)
    throw new Ext4Error(`the journal has features 0x${(incompatible & ~KNOWN).toString(16)} that are not understood`);
  const length = superblock.getUint32(0x10);
  const first = superblock.getUint32(0x14);
  let sequence = superblock.getUint32(0x18);
  let index = superblock.getUint32(0x1c);
  if (index === 0) return;
  if (!(first > 0 && first < length && index >= first && index < length))
    throw new Ext4Error(`the journal begins at its block ${index}, expected ${first} to ${length - 1}`);
  const next = (from: number): number => (from + 1 >= length ? first : from + 1);
  const writes: Write[] = [];
  const revoked = new Map<number, number>();
  let staged: Write[] = [];
  let stagedRevokes: number[] = [];
  for (let visited = 0; visited <= length; visited++) {
    const bytes = await blocks.data(await at(index));
    const block = view(bytes);
    if (block.getUint32(0) !== JOURNAL_MAGIC || block.getUint32(8) !== sequence) break;
    const type = block.getUint32(4);
    if (type === BLOCK_TYPE.descriptor) {
      for (const { target, escaped } of readTags(block, incompatible)) {
        index = next(index);
        staged.push({ target, sequence, block: await at(index), escaped });
      }
    } else if (type === BLOCK_TYPE.revoke) stagedRevokes.push(...readRevokes(block, incompatible));
    else if (type === BLOCK_TYPE.commit) {
      writes.push(...staged);
      for (const target of stagedRevokes) revoked.set(target, sequence);
      staged = [];
      stagedRevokes = [];
      sequence = (sequence + 1) >>> 0;
    } else break;
    index = next(index);
  }
  for (const { target, sequence: of, block, escaped } of writes) {
    const until = revoked.get(target);
    if (until !== undefined && ((until - of) | 0) >= 0) blocks.journalled.delete(target);
    else blocks.journalled.set(target, { block, escaped });
  }
  blocks.forget();
}

function* readTags(block: DataView, incompatible: number): Generator<{ target: number; escaped: boolean }> {
  const v3 = (incompatible & INCOMPAT.checksumV3) !== 0;
  const wide = (incompatible & INCOMPAT.wide) !== 0;
  const v2 = (incompatible & INCOMPAT.checksumV2) !== 0;
  const size = v3 ? 16 : 8 + (wide ? 4 : 0) + (v2 ? 2 : 0);
  const end = block.byteLength - (v2 || v3 ? 4 : 0);
  for (let at = HEADER; at + size <= end; ) {
    const flags = v3 ? block.getUint32(at + 4) : block.getUint16(at + 6);
    const high = wide ? block.getUint32(at + 8) : 0;
    yield { target: high * 2 ** 32 + block.getUint32(at), escaped: (flags & TAG.escaped) !== 0 };
    if ((flags & TAG.last) !== 0) return;
    at += size + ((flags & TAG.sameUuid) !== 0 ? 0 : UUID);
  }
}

function* readRevokes(block: DataView, incompatible: number): Generator<number> {
  const wide = (incompatible & INCOMPAT.wide) !== 0;
  const end = Math.min(block.getUint32(12), block.byteLength);
  for (let at = REVOKE_HEADER; at + (wide ? 8 : 4) <= end; at += wide ? 8 : 4)
    yield wide ? block.getUint32(at) * 2 ** 32 + block.getUint32(at + 4) : block.getUint32(at);
}
