import { type Hash64, HashSum, hashBytes, hashText, hashWords, placeHash } from '../../bytes/hash.ts';
import { StateWriter } from '../../bytes/state-stream.ts';
import type { OverlayChunk, OverlayDisk } from '../../storage/index.ts';
import type { Engine } from '../engine/engine.ts';

/** Hashes of sealed chunks, which never change. */
const chunkHashes = new WeakMap<OverlayChunk, Hash64>();

function chunkHash(chunk: OverlayChunk): Hash64 {
  let hash = chunkHashes.get(chunk);
  if (hash === undefined) {
    const { data } = chunk;
    hash = { low: 0, high: 0 };
    const words =
      data.byteOffset % 4 === 0
        ? new Uint32Array(data.buffer, data.byteOffset, data.length / 4)
        : new Uint32Array(data.slice().buffer);
    hashWords(words, 0, words.length, hash);
    placeHash(hash, chunk.id);
    placeHash(hash, chunk.mask);
    chunkHashes.set(chunk, hash);
  }
  return hash;
}

function diskHash(disk: OverlayDisk): Hash64 {
  disk.seal();
  const sum = new HashSum();
  for (const chunk of disk.writtenChunks()) {
    const { low, high } = chunkHash(chunk);
    sum.add(low, high);
  }
  return sum.value;
}

/**
 * Hash of the machine's whole state: RAM, harts, devices, disks, rotation and time (contract 8). Costs what changed since it was
 * asked for last. @returns 16 hexadecimal digits
 */
export function stateHash(engine: Engine): string {
  const w = new StateWriter();
  engine.saveHashed(w);
  const parts = [engine.tracker.hash(), ...engine.board.disks.map(diskHash)];
  for (const { low, high } of parts) {
    w.u32(low);
    w.u32(high);
  }
  return hashText(hashBytes(w.finish()));
}
