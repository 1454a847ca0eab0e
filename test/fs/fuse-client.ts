import { ERRNO, type Errno } from '../../src/errno.ts';
import { nameBytes, nameOf } from '../../src/fs/file-system.ts';
import { CHANGE, IN_HEADER, OPCODE, OUT_HEADER, ROOT_ID } from '../../src/fs/fuse/protocol.ts';
import type { FuseServer } from '../../src/fs/fuse/server.ts';

/** A reply that was an error. */
export class FuseError extends Error {
  readonly code: Errno | undefined;

  constructor(errno: number) {
    const code = ERRNO.get(errno)?.[0];
    super(code ?? `errno ${errno}`);
    this.code = code;
  }
}

export interface Stat {
  readonly inode: bigint;
  readonly size: number;
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: bigint;
}

export interface Entry extends Stat {
  readonly id: bigint;
}

const u32 = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
const u64 = (...values: (bigint | number)[]): Uint8Array =>
  new Uint8Array(BigUint64Array.from(values.map(BigInt)).buffer);
const text = (name: string): Uint8Array => Buffer.concat([nameBytes(nameOf(name)), Uint8Array.of(0)]);
const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const ROOT = BigInt(ROOT_ID);
export const O = { RDONLY: 0, WRONLY: 1, RDWR: 2, CREAT: 0o100, EXCL: 0o200, TRUNC: 0o1000 } as const;

function stat(bytes: Uint8Array, at: number): Stat {
  const v = view(bytes);
  return {
    inode: v.getBigUint64(at, true),
    size: Number(v.getBigUint64(at + 8, true)),
    mtime: v.getBigInt64(at + 32, true) * 1_000_000_000n + BigInt(v.getUint32(at + 52, true)),
    mode: v.getUint32(at + 60, true),
    links: v.getUint32(at + 64, true),
    uid: v.getUint32(at + 68, true),
    gid: v.getUint32(at + 72, true),
  };
}

/** What a kernel would send, written from the protocol's description and not from the server's code. */
export class FuseClient {
  private unique = 1n;

  private readonly server: Pick<FuseServer<object, object>, 'handle'>;

  constructor(server: Pick<FuseServer<object, object>, 'handle'>) {
    this.server = server;
  }

  async send(opcode: number, node: bigint, ...parts: Uint8Array[]): Promise<Uint8Array> {
    const body = Buffer.concat(parts);
    const request = new Uint8Array(IN_HEADER + body.length);
    const v = view(request);
    const unique = (this.unique += 2n);
    v.setUint32(0, request.length, true);
    v.setUint32(4, opcode, true);
    v.setBigUint64(8, unique, true);
    v.setBigUint64(16, node, true);
    request.set(body, IN_HEADER);
    const reply = await this.server.handle(request);
    if (reply === undefined) return new Uint8Array(0);
    const r = view(reply.header);
    if (r.getUint32(0, true) !== OUT_HEADER + reply.body.length)
      throw new Error('the reply says another length than it has');
    if (r.getBigUint64(8, true) !== unique) throw new Error('the reply is of another request');
    const error = r.getInt32(4, true);
    if (error !== 0) throw new FuseError(-error);
    return reply.body;
  }

  async init(minor = 41): Promise<Uint8Array> {
    return this.send(OPCODE.INIT, 0n, u32(7, minor, 131072, 0xffff_ffff, 0, ...new Array<number>(11).fill(0)));
  }

  async lookup(parent: bigint, name: string): Promise<Entry> {
    return this.entry(await this.send(OPCODE.LOOKUP, parent, text(name)));
  }

  /** Walks a path from the root. */
  async walk(path: string): Promise<Entry> {
    let id = ROOT;
    let entry: Entry | undefined;
    for (const name of path.split('/')) id = (entry = await this.lookup(id, name)).id;
    return entry!;
  }

  forget(id: bigint, times = 1): Promise<Uint8Array> {
    return this.send(OPCODE.FORGET, id, u64(times));
  }

  async getattr(id: bigint, fh?: bigint): Promise<Stat> {
    return stat(await this.send(OPCODE.GETATTR, id, u32(fh === undefined ? 0 : 1, 0), u64(fh ?? 0n)), 16);
  }

  async setattr(
    id: bigint,
    {
      mode,
      uid,
      gid,
      size,
      mtime,
      fh,
    }: { mode?: number; uid?: number; gid?: number; size?: number; mtime?: bigint; fh?: bigint },
  ): Promise<Stat> {
    let valid = 0;
    if (mode !== undefined) valid |= CHANGE.mode;
    if (uid !== undefined) valid |= CHANGE.uid;
    if (gid !== undefined) valid |= CHANGE.gid;
    if (size !== undefined) valid |= CHANGE.size;
    if (mtime !== undefined) valid |= CHANGE.modified;
    if (fh !== undefined) valid |= CHANGE.handle;
    const seconds = (mtime ?? 0n) / 1_000_000_000n;
    const rest = Number((mtime ?? 0n) % 1_000_000_000n);
    const body = [
      u32(valid, 0),
      u64(fh ?? 0n, size ?? 0, 0, 0, seconds, 0),
      u32(0, rest, 0, mode ?? 0, 0, uid ?? 0, gid ?? 0, 0),
    ];
    return stat(await this.send(OPCODE.SETATTR, id, ...body), 16);
  }

  async mkdir(parent: bigint, name: string, mode = 0o755): Promise<Entry> {
    return this.entry(await this.send(OPCODE.MKDIR, parent, u32(mode, 0), text(name)));
  }

  async mknod(parent: bigint, name: string, mode: number): Promise<Entry> {
    return this.entry(await this.send(OPCODE.MKNOD, parent, u32(mode, 0, 0, 0), text(name)));
  }

  async symlink(parent: bigint, name: string, target: string): Promise<Entry> {
    return this.entry(await this.send(OPCODE.SYMLINK, parent, text(name), text(target)));
  }

  async readlink(id: bigint): Promise<string> {
    return new TextDecoder().decode(await this.send(OPCODE.READLINK, id));
  }

  async link(id: bigint, parent: bigint, name: string): Promise<Entry> {
    return this.entry(await this.send(OPCODE.LINK, parent, u64(id), text(name)));
  }

  async unlink(parent: bigint, name: string): Promise<void> {
    await this.send(OPCODE.UNLINK, parent, text(name));
  }

  async rmdir(parent: bigint, name: string): Promise<void> {
    await this.send(OPCODE.RMDIR, parent, text(name));
  }

  async rename(parent: bigint, name: string, to: bigint, newName: string, flags = 0): Promise<void> {
    await this.send(OPCODE.RENAME2, parent, u64(to), u32(flags, 0), text(name), text(newName));
  }

  async open(id: bigint, flags: number = O.RDWR): Promise<bigint> {
    return view(await this.send(OPCODE.OPEN, id, u32(flags, 0))).getBigUint64(0, true);
  }

  async create(
    parent: bigint,
    name: string,
    flags: number = O.RDWR | O.CREAT | O.EXCL,
    mode = 0o644,
  ): Promise<{ entry: Entry; fh: bigint }> {
    const reply = await this.send(OPCODE.CREATE, parent, u32(flags, 0o100000 | mode, 0, 0), text(name));
    return { entry: this.entry(reply), fh: view(reply).getBigUint64(128, true) };
  }

  async read(id: bigint, fh: bigint, offset: number, size: number): Promise<Uint8Array> {
    return this.send(OPCODE.READ, id, u64(fh, offset), u32(size, 0), u64(0), u32(0, 0));
  }

  async write(id: bigint, fh: bigint, offset: number, data: Uint8Array): Promise<number> {
    const reply = await this.send(OPCODE.WRITE, id, u64(fh, offset), u32(data.length, 0), u64(0), u32(0, 0), data);
    return view(reply).getUint32(0, true);
  }

  async fsync(id: bigint, fh: bigint): Promise<void> {
    await this.send(OPCODE.FSYNC, id, u64(fh), u32(0, 0));
  }

  async release(id: bigint, fh: bigint, directory = false): Promise<void> {
    await this.send(directory ? OPCODE.RELEASEDIR : OPCODE.RELEASE, id, u64(fh), u32(0, 0), u64(0));
  }

  async fallocate(id: bigint, fh: bigint, mode: number, offset: number, length: number): Promise<void> {
    await this.send(OPCODE.FALLOCATE, id, u64(fh, offset, length), u32(mode, 0));
  }

  async lseek(id: bigint, fh: bigint, offset: number, whence: number): Promise<number> {
    return Number(view(await this.send(OPCODE.LSEEK, id, u64(fh, offset), u32(whence, 0))).getBigUint64(0, true));
  }

  async copy(
    from: bigint,
    fh: bigint,
    at: number,
    to: bigint,
    toFh: bigint,
    offset: number,
    length: number,
  ): Promise<number> {
    const reply = await this.send(OPCODE.COPY_FILE_RANGE, from, u64(fh, at, to, toFh, offset, length, 0));
    return view(reply).getUint32(0, true);
  }

  async setxattr(id: bigint, name: string, value: Uint8Array, flags = 0): Promise<void> {
    await this.send(OPCODE.SETXATTR, id, u32(value.length, flags), text(name), value);
  }

  async getxattr(id: bigint, name: string, size = 65536): Promise<Uint8Array> {
    return this.send(OPCODE.GETXATTR, id, u32(size, 0), text(name));
  }

  async listxattr(id: bigint): Promise<string[]> {
    const reply = await this.send(OPCODE.LISTXATTR, id, u32(65536, 0));
    return new TextDecoder().decode(reply).split('\0').slice(0, -1);
  }

  async statfs(): Promise<{ blocks: bigint; size: number }> {
    const v = view(await this.send(OPCODE.STATFS, ROOT));
    return { blocks: v.getBigUint64(0, true), size: v.getUint32(40, true) };
  }

  /** Names (as bytes in hexadecimal where they are no UTF-8) of a directory, read in pieces of `size` bytes. */
  async list(id: bigint, { size = 4096, plus = true } = {}): Promise<{ name: string; inode: bigint; id?: bigint }[]> {
    const fh = view(await this.send(OPCODE.OPENDIR, id, u32(0, 0))).getBigUint64(0, true);
    const found: { name: string; inode: bigint; id?: bigint }[] = [];
    let offset = 0n;
    for (;;) {
      const opcode = plus ? OPCODE.READDIRPLUS : OPCODE.READDIR;
      const reply = await this.send(opcode, id, u64(fh, offset), u32(size, 0), u64(0), u32(0, 0));
      if (reply.length === 0) break;
      const v = view(reply);
      for (let at = 0; at < reply.length; ) {
        const node = plus ? v.getBigUint64(at, true) : undefined;
        if (plus) at += 128;
        const inode = v.getBigUint64(at, true);
        offset = v.getBigUint64(at + 8, true);
        const length = v.getUint32(at + 16, true);
        const name = new TextDecoder().decode(reply.subarray(at + 24, at + 24 + length));
        found.push({ name, inode, ...(node && { id: node }) });
        at += (24 + length + 7) & ~7;
      }
    }
    await this.release(id, fh, true);
    return found.filter(({ name }) => name !== '.' && name !== '..');
  }

  private entry(reply: Uint8Array): Entry {
    return { id: view(reply).getBigUint64(0, true), ...stat(reply, 40) };
  }
}
