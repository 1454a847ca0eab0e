import type { Attributes, DirectoryEntry } from '../file-system.ts';
import { ATTRIBUTES_VALID, HEADER, QID_SIZE, READ_HEADER } from './protocol.ts';
import { NinePWriter } from './wire.ts';

/** An answer in two pieces, so that nothing large is copied. */
export interface NinePReply {
  /** The message up to the data of a read; all of it for others. */
  readonly header: Uint8Array;
  /** The data of a read. */
  readonly body: Uint8Array;
}

/** What follows an answer's header: a message without it, or data of a read. */
export type NinePAnswer = NinePWriter | Uint8Array;

const NOTHING = new Uint8Array(0);
export const empty = (): NinePAnswer => new NinePWriter(0);

/** Puts the header before an answer. */
export function answered(answer: NinePAnswer, type: number, tag: number): NinePReply {
  const data = answer instanceof Uint8Array;
  const header = data ? new Uint8Array(READ_HEADER) : answer.bytes;
  const body = data ? answer : NOTHING;
  const view = new DataView(header.buffer, header.byteOffset);
  view.setUint32(0, header.length + body.length, true);
  view.setUint8(4, type);
  view.setUint16(5, tag, true);
  if (data) view.setUint32(HEADER, body.length, true);
  return { header, body };
}

/** Rattach, Rmkdir and others. */
export function qid(a: Attributes): NinePAnswer {
  const w = new NinePWriter(QID_SIZE);
  w.qid(a);
  return w;
}

/** Rlopen and Rlcreate: qid and iounit, where 0 leaves it to the size of messages. */
export function opened(a: Attributes): NinePAnswer {
  const w = new NinePWriter(QID_SIZE + 4);
  w.qid(a);
  return w;
}

/** Rgetattr. */
export function attributes(a: Attributes): NinePAnswer {
  const w = new NinePWriter(153);
  w.u64(ATTRIBUTES_VALID);
  w.qid(a);
  w.u32(a.mode);
  w.u32(a.uid);
  w.u32(a.gid);
  w.u64(a.links);
  w.u64(a.device);
  w.u64(a.size);
  w.u64(4096);
  w.u64(a.blocks);
  for (const { seconds, nanoseconds } of [a.accessed, a.modified, a.changed]) {
    w.seconds(seconds);
    w.u64(nanoseconds);
  }
  return w;
}

/** Entries of a directory for Rreaddir. @param from index of the first @param size bytes that they may take */
export function entriesAnswer(all: readonly DirectoryEntry[], from: number, size: number): NinePAnswer {
  const w = new NinePWriter(4 + size);
  w.skip(4);
  let next = from;
  for (; next < all.length; next++) {
    const { name, inode, type } = all[next];
    if (w.offset + QID_SIZE + 11 + name.length > READ_HEADER + size) break;
    w.qid({ inode, mode: type });
    w.u64(next + 1);
    w.u8(type >>> 12);
    w.text(name);
  }
  return w.bytes.subarray(READ_HEADER, w.offset);
}
