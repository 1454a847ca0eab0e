import { offsetOf, permissions } from '../arguments.ts';
import { errnoOf, FsError } from '../errno.ts';
import {
  type Attributes,
  type Awaitable,
  after,
  type DirectoryEntry,
  FILE_TYPE,
  type FileSystem,
  NAME_MAX,
  type Name,
  nameBytes,
  TYPE_MASK,
} from '../file-system.ts';
import { checkName } from '../name.ts';
import {
  answered,
  attributes,
  empty,
  entriesAnswer,
  type NinePAnswer,
  type NinePReply,
  opened,
  qid,
} from './answers.ts';
import { openMode, readChange } from './arguments.ts';
import { type Fid, Fids } from './fids.ts';
import {
  HEADER,
  LOCK,
  MAGIC,
  MAX_WALK,
  OPEN,
  QID_SIZE,
  READ_HEADER,
  REMOVE_DIRECTORY,
  RLERROR,
  T,
  VERSION,
} from './protocol.ts';
import { NinePReader, NinePWriter } from './wire.ts';

/** Longest message. */
const MAX_MESSAGE = 2 ** 20;
/** Longest value of an extended attribute (XATTR_SIZE_MAX). */
const MAX_EXTENDED = 65_536;
/** Flags of an XATTRCREATE that removes: XATTR_REPLACE. */
const REPLACE_ATTRIBUTE = 2;

/** What changes something; refused where a share is read-only. */
const CHANGES: ReadonlySet<number> = new Set([
  T.LCREATE,
  T.SYMLINK,
  T.MKNOD,
  T.SETATTR,
  T.XATTRCREATE,
  T.LINK,
  T.MKDIR,
  T.RENAMEAT,
  T.UNLINKAT,
  T.WRITE,
]);

export interface NinePServerOptions {
  /** Refuse all that changes something with EROFS. */
  readonly readOnly?: boolean;
}

/**
 * A 9P2000.L server over a {@link FileSystem}: a message's bytes in, its answer's bytes out. It doubts all of a message. Locks are granted: Linux'
 * client decides about those of its own processes first.
 */
export class NinePServer<N extends object, H extends object> {
  private readonly fs: FileSystem<N, H>;
  private readonly readOnly: boolean;
  private readonly fids: Fids<N, H>;
  /** Requests under way, by their tags. */
  private readonly waiting = new Map<number, Promise<unknown>>();
  private largest = MAX_MESSAGE;

  constructor(fs: FileSystem<N, H>, options: NinePServerOptions = {}) {
    this.fs = fs;
    this.fids = new Fids(fs);
    this.readOnly = options.readOnly ?? false;
  }

  /** How many fids the client holds. */
  get held(): number {
    return this.fids.size;
  }

  /** Serves one message. @returns its answer; undefined for what is no message */
  handle(message: Uint8Array): Awaitable<NinePReply | undefined> {
    if (message.length < HEADER) return undefined;
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const type = view.getUint8(4);
    const tag = view.getUint16(5, true);
    const done = (body: NinePAnswer): NinePReply => answered(body, type + 1, tag);
    const failed = (error: unknown): NinePReply => {
      const w = new NinePWriter(4);
      w.u32(errnoOf(error));
      return answered(w, RLERROR, tag);
    };
    try {
      const body = this.dispatch(type, new NinePReader(message));
      if (!(body instanceof Promise)) return done(body);
      const answer = body.then(done, failed);
      this.waiting.set(tag, answer);
      return answer.finally(() => {
        if (this.waiting.get(tag) === answer) this.waiting.delete(tag);
      });
    } catch (error) {
      return failed(error);
    }
  }

  /** The client is gone: closes and forgets what it held. */
  close(): Promise<void> {
    return this.fids.clear();
  }

  private dispatch(type: number, r: NinePReader): Awaitable<NinePAnswer> {
    const { fs } = this;
    if (this.readOnly && CHANGES.has(type)) throw new FsError('EROFS');
    switch (type) {
      case T.VERSION:
        return this.version(r);
      case T.ATTACH: {
        const fid = r.u32();
        return after(fs.attributes(fs.root), (a) => {
          this.fids.hold(fid, { node: fs.root });
          return qid(a);
        });
      }
      case T.FLUSH: {
        // Answered after the old request, whose tag is free then.
        const old = this.waiting.get(r.u16());
        return old === undefined ? new NinePWriter(0) : old.then(() => new NinePWriter(0));
      }
      case T.WALK: {
        const from = this.fids.get(r.u32());
        const fid = r.u32();
        const names = Array.from({ length: Math.min(r.u16(), MAX_WALK + 1) }, () => r.text());
        if (names.length > MAX_WALK) throw new FsError('EINVAL');
        return this.walk(from.node, names, fid);
      }
      case T.CLUNK:
        return after(this.clunk(r.u32()), empty);
      case T.REMOVE:
        return after(this.fids.release(r.u32()), () => {
          throw new FsError('EOPNOTSUPP');
        });
      case T.GETATTR: {
        const { node, file } = this.fids.get(r.u32());
        return after(fs.attributes(node, file), attributes);
      }
      case T.SETATTR: {
        const { node, file } = this.fids.get(r.u32());
        return after(fs.setAttributes(node, readChange(r), file), empty);
      }
      case T.STATFS:
        return after(fs.statistics(), (s) => {
          const w = new NinePWriter(60);
          w.u32(MAGIC);
          w.u32(s.blockSize);
          for (const count of [s.blocks, s.freeBlocks, s.availableBlocks, s.files, s.freeFiles, 0]) w.u64(count);
          w.u32(NAME_MAX);
          return w;
        });
      case T.LOPEN:
        return this.open(r.u32(), r.u32());
      case T.LCREATE:
        return this.create(r);
      case T.MKNOD: {
        const { node } = this.fids.get(r.u32());
        const name = checkName(r.text());
        const mode = r.u32();
        // Only files: a device or socket of the guest's has no meaning for the host, and a share is no place for one.
        if ((mode & TYPE_MASK) !== FILE_TYPE.file && (mode & TYPE_MASK) !== 0) throw new FsError('EPERM');
        const written = { read: false, write: true, truncate: false };
        return after(fs.create(node, name, permissions(mode), written), (made) =>
          after(fs.close(made.handle), () => this.made(made.node)),
        );
      }
      case T.MKDIR: {
        const { node } = this.fids.get(r.u32());
        const name = checkName(r.text());
        return after(fs.makeDirectory(node, name, permissions(r.u32())), (made) => this.made(made));
      }
      case T.SYMLINK: {
        const { node } = this.fids.get(r.u32());
        const name = checkName(r.text());
        return after(fs.makeSymlink(node, name, nameBytes(r.text())), (made) => this.made(made));
      }
      case T.READLINK:
        return after(fs.readLink(this.fids.get(r.u32()).node), (target) => {
          const w = new NinePWriter(2 + target.length);
          w.u16(target.length);
          w.put(target);
          return w;
        });
      case T.LINK: {
        const directory = this.fids.get(r.u32()).node;
        const { node } = this.fids.get(r.u32());
        return after(fs.link(node, directory, checkName(r.text())), empty);
      }
      case T.RENAMEAT: {
        const from = this.fids.get(r.u32()).node;
        const name = checkName(r.text());
        const to = this.fids.get(r.u32()).node;
        return after(fs.rename(from, name, to, checkName(r.text()), 0), empty);
      }
      case T.UNLINKAT: {
        const { node } = this.fids.get(r.u32());
        const name = checkName(r.text());
        const removed = (r.u32() & REMOVE_DIRECTORY) !== 0 ? fs.removeDirectory(node, name) : fs.unlink(node, name);
        return after(removed, empty);
      }
      case T.READDIR: {
        const fid = this.fids.get(r.u32());
        const from = offsetOf(r.u64());
        const size = Math.min(r.u32(), this.largest - READ_HEADER);
        if (from > 0 && fid.entries !== undefined) return entriesAnswer(fid.entries, from, size);
        return after(fs.list(fid.node), (listed) => {
          const here = (name: string): DirectoryEntry => ({ name, inode: 1, type: FILE_TYPE.directory });
          fid.entries = [here('.'), here('..'), ...listed];
          return entriesAnswer(fid.entries, from, size);
        });
      }
      case T.READ:
        return this.read(this.fids.get(r.u32()), offsetOf(r.u64()), Math.min(r.u32(), this.largest - READ_HEADER));
      case T.WRITE:
        return this.write(this.fids.get(r.u32()), offsetOf(r.u64()), r.data(r.u32()));
      case T.FSYNC: {
        const { file } = this.fids.get(r.u32());
        const dataOnly = r.u32() !== 0;
        return file === undefined ? new NinePWriter(0) : after(fs.sync(file, dataOnly), empty);
      }
      case T.LOCK: {
        this.fids.get(r.u32());
        const w = new NinePWriter(1);
        w.u8(LOCK.success);
        return w;
      }
      case T.GETLOCK: {
        this.fids.get(r.u32());
        r.skip(1);
        const [start, length, process, client] = [r.u64(), r.u64(), r.u32(), r.text()];
        const w = new NinePWriter(23 + client.length);
        w.u8(LOCK.unlocked);
        w.u64(start);
        w.u64(length);
        w.u32(process);
        w.text(client);
        return w;
      }
      case T.XATTRWALK:
        return this.walkExtended(this.fids.get(r.u32()).node, r.u32(), r.text());
      case T.XATTRCREATE: {
        const number = r.u32();
        const { node } = this.fids.get(number);
        const name = r.text();
        const size = r.u64();
        if (size > MAX_EXTENDED) throw new FsError('ERANGE');
        this.fids.hold(number, { node, setting: { name, value: new Uint8Array(size), flags: r.u32(), at: 0 } });
        return new NinePWriter(0);
      }
      default:
        throw new FsError('EOPNOTSUPP', `9P message of type ${type}`);
    }
  }

  private version(r: NinePReader): Awaitable<NinePAnswer> {
    const size = r.u32();
    const version = r.text();
    this.largest = Math.max(4096, Math.min(size, MAX_MESSAGE));
    return after(this.close(), () => {
      const spoken = version === VERSION ? VERSION : 'unknown';
      const w = new NinePWriter(6 + spoken.length);
      w.u32(this.largest);
      w.text(spoken);
      return w;
    });
  }

  /** Each name below the one before; a walk that ends early says how far it came, and makes no fid. */
  private walk(from: N, names: readonly Name[], fid: number): Awaitable<NinePAnswer> {
    const found: Attributes[] = [];
    const report = (): NinePAnswer => {
      const w = new NinePWriter(2 + QID_SIZE * found.length);
      w.u16(found.length);
      for (const a of found) w.qid(a);
      return w;
    };
    const step = (node: N): Awaitable<NinePAnswer> => {
      if (found.length === names.length) {
        this.fids.hold(fid, { node });
        return report();
      }
      const ended = (error: unknown): NinePAnswer => {
        if (found.length === 0) throw error;
        return report();
      };
      try {
        const next = after(this.fs.lookup(node, checkName(names[found.length])), (child) =>
          after(this.fs.attributes(child), (a) => {
            found.push(a);
            return step(child);
          }),
        );
        return next instanceof Promise ? next.catch(ended) : next;
      } catch (error) {
        return ended(error);
      }
    };
    return step(from);
  }

  private open(number: number, flags: number): Awaitable<NinePAnswer> {
    const { node } = this.fids.get(number);
    return after(this.fs.attributes(node), (a) => {
      const mode = openMode(flags);
      if ((a.mode & TYPE_MASK) === FILE_TYPE.directory) {
        if (mode.write) throw new FsError('EISDIR');
        return opened(a);
      }
      if ((flags & OPEN.directory) !== 0) throw new FsError('ENOTDIR');
      if (this.readOnly && (mode.write || mode.truncate)) throw new FsError('EROFS');
      return after(this.fs.open(node, mode), (file) => {
        this.fids.hold(number, { node, file });
        return opened(a);
      });
    });
  }

  /** Creates a file, or opens the one that somebody made since the client looked, unless the client wants it new. */
  private create(r: NinePReader): Awaitable<NinePAnswer> {
    const number = r.u32();
    const { node: directory } = this.fids.get(number);
    const name = checkName(r.text());
    const flags = r.u32();
    const bits = permissions(r.u32());
    const mode = openMode(flags);
    const { fs } = this;
    const take = (node: N, file: H): Awaitable<NinePAnswer> => {
      this.fids.hold(number, { node, file });
      return after(fs.attributes(node, file), opened);
    };
    const found = (error: unknown): Awaitable<NinePAnswer> => {
      if ((error as { code?: unknown }).code !== 'EEXIST' || (flags & OPEN.exclusive) !== 0) throw error;
      return after(fs.lookup(directory, name), (node) => after(fs.open(node, mode), (file) => take(node, file)));
    };
    try {
      const made = after(fs.create(directory, name, bits, mode), ({ node, handle }) => take(node, handle));
      return made instanceof Promise ? made.catch(found) : made;
    } catch (error) {
      return found(error);
    }
  }

  private read({ file, value }: Fid<N, H>, offset: number, size: number): Awaitable<NinePAnswer> {
    if (value !== undefined) return value.subarray(offset, offset + size);
    if (file === undefined) throw new FsError('EBADF');
    const into = new Uint8Array(size);
    return after(this.fs.read(file, offset, into), (length) => into.subarray(0, length));
  }

  private write({ file, setting }: Fid<N, H>, offset: number, data: Uint8Array): Awaitable<NinePAnswer> {
    const done = (): NinePAnswer => {
      const w = new NinePWriter(4);
      w.u32(data.length);
      return w;
    };
    if (setting !== undefined) {
      if (offset + data.length > setting.value.length) throw new FsError('EINVAL');
      setting.value.set(data, offset);
      setting.at = Math.max(setting.at, offset + data.length);
      return done();
    }
    if (file === undefined) throw new FsError('EBADF');
    return after(this.fs.write(file, offset, data), done);
  }

  /** A fid from which an attribute's value is read, or the names of all. */
  private walkExtended(node: N, fid: number, name: Name): Awaitable<NinePAnswer> {
    const { fs } = this;
    if (fs.getExtended === undefined || fs.listExtended === undefined) throw new FsError('EOPNOTSUPP');
    const list = (names: readonly Name[]): Uint8Array => nameBytes(names.map((one) => `${one}\0`).join(''));
    const value = name === '' ? after(fs.listExtended(node), list) : fs.getExtended(node, name);
    return after(value, (bytes) => {
      this.fids.hold(fid, { node, value: bytes });
      const w = new NinePWriter(8);
      w.u64(bytes.length);
      return w;
    });
  }

  /** Lets a fid go. An attribute that was written through it is set now; one with no value is removed (as Linux' client asks for it). */
  private clunk(number: number): Awaitable<void> {
    const { node, setting } = this.fids.get(number);
    const released = this.fids.release(number);
    if (setting === undefined) return released;
    const { name, value, flags, at } = setting;
    return after(released, () => {
      if (at < value.length) throw new FsError('EIO', 'an attribute whose value was not written');
      if (this.fs.setExtended === undefined) throw new FsError('EOPNOTSUPP');
      if (value.length === 0 && flags === REPLACE_ATTRIBUTE) {
        if (this.fs.removeExtended === undefined) throw new FsError('EOPNOTSUPP');
        return this.fs.removeExtended(node, name);
      }
      return this.fs.setExtended(node, name, value, flags);
    });
  }

  private made(node: N): Awaitable<NinePAnswer> {
    return after(this.fs.attributes(node), (a) => {
      if (!this.fids.holds(node)) this.fs.forget(node);
      return qid(a);
    });
  }
}
