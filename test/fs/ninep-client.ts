import { ERRNO_NUMBER } from '../../src/errno.ts';
import { nameBytes, nameOf } from '../../src/fs/file-system.ts';
import {
  CHANGE,
  HEADER,
  OPEN,
  QID_SIZE,
  QID_TYPE,
  REMOVE_DIRECTORY,
  RLERROR,
  T,
  VERSION,
} from '../../src/fs/ninep/protocol.ts';
import type { NinePServer } from '../../src/fs/ninep/server.ts';
import { type Entry, FuseError, O, ROOT, type Stat } from './fuse-client.ts';
import type { FileClient } from './model.ts';

const NO_FID = 0xffff_ffff;

const u8 = (value: number): Uint8Array => Uint8Array.of(value);
const u16 = (value: number): Uint8Array => new Uint8Array(Uint16Array.of(value).buffer);
const u32 = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
const u64 = (...values: (bigint | number)[]): Uint8Array =>
  new Uint8Array(BigUint64Array.from(values.map(BigInt)).buffer);
const text = (name: string): Uint8Array => {
  const bytes = nameBytes(nameOf(name));
  return Buffer.concat([u16(bytes.length), bytes]);
};
const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** What a kernel would send, written from the protocol's description; ids of files are fids, and the root has its own. */
export class NinePClient implements FileClient {
  private readonly server: NinePServer<object, object>;
  private tag = 0;
  private last = Number(ROOT);

  constructor(server: NinePServer<object, object>) {
    this.server = server;
  }

  async send(type: number, ...parts: Uint8Array[]): Promise<Uint8Array> {
    const body = Buffer.concat(parts);
    const tag = (this.tag = (this.tag + 1) % 60_000);
    const message = Buffer.concat([u32(HEADER + body.length), u8(type), u16(tag), body]);
    const answer = await this.server.handle(new Uint8Array(message));
    if (answer === undefined) throw new Error('no answer');
    const bytes = new Uint8Array(Buffer.concat([answer.header, answer.body]));
    if (view(bytes).getUint32(0, true) !== bytes.length) throw new Error('the answer says another length than it has');
    if (view(bytes).getUint16(5, true) !== tag) throw new Error('the answer is of another message');
    const rest = bytes.subarray(HEADER);
    if (bytes[4] === RLERROR) throw new FuseError(view(rest).getUint32(0, true));
    if (bytes[4] !== type + 1) throw new Error(`an answer of type ${bytes[4]} to ${type}`);
    return rest;
  }

  async begin(size = 65_536): Promise<string> {
    const answer = await this.send(T.VERSION, u32(size), text(VERSION));
    await this.send(T.ATTACH, u32(Number(ROOT), NO_FID), text('root'), text(''), u32(0));
    return new TextDecoder().decode(answer.subarray(6));
  }

  async walk(from: bigint, ...names: string[]): Promise<bigint> {
    const fid = ++this.last;
    const answer = await this.send(T.WALK, u32(Number(from), fid), u16(names.length), ...names.map(text));
    const found = view(answer).getUint16(0, true);
    if (answer.length !== 2 + found * QID_SIZE) throw new Error('a walk of another length than it says');
    if (found < names.length) throw new FuseError(2);
    return BigInt(fid);
  }

  async lookup(parent: bigint, name: string): Promise<Entry> {
    const id = await this.walk(parent, name);
    return { id, ...(await this.getattr(id)) };
  }

  async forget(id: bigint): Promise<Uint8Array> {
    return id === ROOT ? new Uint8Array(0) : this.send(T.CLUNK, u32(Number(id)));
  }

  async getattr(id: bigint): Promise<Stat> {
    const v = view(await this.send(T.GETATTR, u32(Number(id)), u64(0x7ff)));
    return {
      inode: v.getBigUint64(8 + 5, true),
      mode: v.getUint32(21, true),
      uid: v.getUint32(25, true),
      gid: v.getUint32(29, true),
      links: Number(v.getBigUint64(33, true)),
      size: Number(v.getBigUint64(49, true)),
      mtime: v.getBigInt64(89, true) * 1_000_000_000n + v.getBigUint64(97, true),
    };
  }

  async setattr(id: bigint, { mode, uid, gid, size, mtime }: Parameters<FileClient['setattr']>[1]): Promise<Stat> {
    let valid = 0;
    if (mode !== undefined) valid |= CHANGE.mode;
    if (uid !== undefined) valid |= CHANGE.uid;
    if (gid !== undefined) valid |= CHANGE.gid;
    if (size !== undefined) valid |= CHANGE.size;
    if (mtime !== undefined) valid |= CHANGE.modified | CHANGE.modifiedGiven;
    const [seconds, rest] = [(mtime ?? 0n) / 1_000_000_000n, (mtime ?? 0n) % 1_000_000_000n];
    const fields = [u32(Number(id), valid, mode ?? 0, uid ?? 0, gid ?? 0), u64(size ?? 0, 0, 0, seconds, rest)];
    await this.send(T.SETATTR, ...fields);
    return this.getattr(id);
  }

  async mkdir(parent: bigint, name: string, mode = 0o755): Promise<Entry> {
    await this.send(T.MKDIR, u32(Number(parent)), text(name), u32(mode, 0));
    return this.lookup(parent, name);
  }

  async symlink(parent: bigint, name: string, target: string): Promise<Entry> {
    await this.send(T.SYMLINK, u32(Number(parent)), text(name), text(target), u32(0));
    return this.lookup(parent, name);
  }

  async readlink(id: bigint): Promise<string> {
    return new TextDecoder().decode((await this.send(T.READLINK, u32(Number(id)))).subarray(2));
  }

  async link(id: bigint, parent: bigint, name: string): Promise<Entry> {
    await this.send(T.LINK, u32(Number(parent), Number(id)), text(name));
    return this.lookup(parent, name);
  }

  async unlink(parent: bigint, name: string): Promise<void> {
    await this.send(T.UNLINKAT, u32(Number(parent)), text(name), u32(0));
  }

  async rmdir(parent: bigint, name: string): Promise<void> {
    await this.send(T.UNLINKAT, u32(Number(parent)), text(name), u32(REMOVE_DIRECTORY));
  }

  async rename(parent: bigint, name: string, to: bigint, newName: string): Promise<void> {
    await this.send(T.RENAMEAT, u32(Number(parent)), text(name), u32(Number(to)), text(newName));
  }

  /** Opens a fid of its own, which is also the file's handle. Of a directory a kernel reads the entries only: EISDIR. */
  async open(id: bigint, flags: number = O.RDWR, directory = false): Promise<bigint> {
    const fid = await this.walk(id);
    try {
      const [type] = await this.send(T.LOPEN, u32(Number(fid), flags));
      if (type === QID_TYPE.directory && !directory) throw new FuseError(ERRNO_NUMBER.EISDIR);
    } catch (error) {
      await this.forget(fid);
      throw error;
    }
    return fid;
  }

  async create(
    parent: bigint,
    name: string,
    flags: number = O.RDWR | O.CREAT | O.EXCL,
    mode = 0o644,
  ): Promise<{ entry: Entry; fh: bigint }> {
    const fid = await this.walk(parent);
    try {
      await this.send(T.LCREATE, u32(Number(fid)), text(name), u32(flags, mode, 0));
    } catch (error) {
      await this.forget(fid);
      throw error;
    }
    return { entry: await this.lookup(parent, name), fh: fid };
  }

  async release(_id: bigint, fh: bigint): Promise<void> {
    await this.send(T.CLUNK, u32(Number(fh)));
  }

  async read(_id: bigint, fh: bigint, offset: number, size: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < size; ) {
      const piece = (await this.send(T.READ, u32(Number(fh)), u64(offset + at), u32(size - at))).subarray(4);
      if (piece.length === 0) break;
      pieces.push(piece);
      at += piece.length;
    }
    return Buffer.concat(pieces);
  }

  async write(_id: bigint, fh: bigint, offset: number, data: Uint8Array): Promise<number> {
    const answer = await this.send(T.WRITE, u32(Number(fh)), u64(offset), u32(data.length), data);
    return view(answer).getUint32(0, true);
  }

  async list(id: bigint, { size = 4096 } = {}): Promise<{ name: string; inode: bigint }[]> {
    const fid = await this.open(id, O.RDONLY | OPEN.directory, true);
    const found: { name: string; inode: bigint }[] = [];
    let offset = 0n;
    try {
      for (;;) {
        const answer = await this.send(T.READDIR, u32(Number(fid)), u64(offset), u32(size));
        if (answer.length === 4) break;
        for (let at = 4; at < answer.length; ) {
          const v = view(answer);
          const length = v.getUint16(at + QID_SIZE + 9, true);
          const from = at + QID_SIZE + 11;
          found.push({
            inode: v.getBigUint64(at + 5, true),
            name: new TextDecoder().decode(answer.subarray(from, from + length)),
          });
          offset = v.getBigUint64(at + QID_SIZE, true);
          at = from + length;
        }
      }
    } finally {
      await this.release(id, fid);
    }
    return found.filter(({ name }) => name !== '.' && name !== '..');
  }
}
