import { ERRNO_NUMBER } from '../../errno.ts';
import { offsetOf, permissions } from '../arguments.ts';
import { errnoOf, FsError } from '../errno.ts';
import {
  type Attributes,
  type Awaitable,
  after,
  FILE_TYPE,
  type FileSystem,
  NAME_MAX,
  type Name,
  nameBytes,
  TYPE_MASK,
} from '../file-system.ts';
import { checkName } from '../name.ts';
import { openMode, readChange } from './arguments.ts';
import {
  attributesBody,
  type Body,
  initialise,
  joined,
  MAX_TRANSFER,
  NOTHING,
  nothing,
  opened,
  sized,
  words,
} from './bodies.ts';
import { ClientHandles } from './handles.ts';
import { DirectoryListing } from './listing.ts';
import { ENTRY_SIZE, FSYNC_DATA_ONLY, GETATTR_HANDLE, IN_HEADER, OPCODE, OPEN, OUT_HEADER } from './protocol.ts';
import { ReplyWriter, RequestReader } from './wire.ts';

/** Most bytes one COPY_FILE_RANGE moves; the client asks again for the rest. */
const MAX_COPY = 16 * 2 ** 20;
/** Longest value of an extended attribute (XATTR_SIZE_MAX). */
const MAX_EXTENDED = 65_536;

/** What changes something; refused where a share is read-only. */
const CHANGES: ReadonlySet<number> = new Set([
  OPCODE.SETATTR,
  OPCODE.SYMLINK,
  OPCODE.MKNOD,
  OPCODE.MKDIR,
  OPCODE.UNLINK,
  OPCODE.RMDIR,
  OPCODE.RENAME,
  OPCODE.RENAME2,
  OPCODE.LINK,
  OPCODE.CREATE,
  OPCODE.WRITE,
  OPCODE.SETXATTR,
  OPCODE.REMOVEXATTR,
  OPCODE.FALLOCATE,
  OPCODE.COPY_FILE_RANGE,
]);

/** Fields of fuse_in_header that matter here. */
interface Header {
  readonly opcode: number;
  readonly node: number;
}

export interface FuseServerOptions {
  /** Number of this session: another one for every server that the client's machine may have met in its life, 1 to 2^20 − 1. */
  readonly session: number;
  /** Refuse all that changes something with EROFS. */
  readonly readOnly?: boolean;
  /** Bytes to leave free in front of the data of a read, for a transport that puts something there; default 0. */
  readonly room?: number;
  /** How long the client may keep names and attributes without asking again, in seconds; default 1. */
  readonly validSeconds?: number;
}

/** A reply in two pieces, so that nothing large is copied. */
export interface FuseReply {
  /** fuse_out_header. */
  readonly header: Uint8Array;
  /** What follows it. */
  readonly body: Uint8Array;
  /** In front of the body, {@link FuseServerOptions.room} bytes of its buffer are free. */
  readonly room: boolean;
}

/**
 * A FUSE server over a {@link FileSystem}: a request's bytes in, its reply's bytes out. It doubts all of a request and keeps nothing
 * of it. Without opinions on transport: virtiofs carries it, a test calls it.
 *
 * What it leaves to the client by not asking for it: locks (so they hold between the processes of one guest), permission checks
 * (virtiofs mounts with `default_permissions`), access times of cached reads.
 */
export class FuseServer<N extends object, H extends object> {
  private readonly fs: FileSystem<N, H>;
  private readonly handles: ClientHandles<N, H>;
  private readonly listing: DirectoryListing<N, H>;
  private readonly readOnly: boolean;
  private readonly room: number;
  private readonly validSeconds: number;

  constructor(fs: FileSystem<N, H>, options: FuseServerOptions) {
    this.fs = fs;
    this.handles = new ClientHandles<N, H>(fs.root, options.session);
    this.listing = new DirectoryListing(fs, this.handles, (w, node, a) => this.writeEntry(w, node, a));
    this.readOnly = options.readOnly ?? false;
    this.room = options.room ?? 0;
    this.validSeconds = options.validSeconds ?? 1;
  }

  /** How many nodes and open files the client holds. */
  get held(): { readonly nodes: number; readonly open: number } {
    return this.handles.held;
  }

  /**
   * Serves one request.
   * @param request fuse_in_header and what follows; not kept
   * @returns the reply; undefined where the protocol has none
   */
  handle(request: Uint8Array): Awaitable<FuseReply | undefined> {
    if (request.length < IN_HEADER) return undefined;
    const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    const header: Header = {
      opcode: view.getUint32(4, true),
      node: view.getUint32(20, true) * 2 ** 32 + view.getUint32(16, true),
    };
    const unique = request.slice(8, 16);
    const room = header.opcode === OPCODE.READ && this.room > 0;
    const done = (body: Body | undefined): FuseReply | undefined => body && reply(unique, body, 0, room);
    const failed = (error: unknown): FuseReply => reply(unique, NOTHING, errnoOf(error), false);
    try {
      const body = this.dispatch(header, new RequestReader(request, IN_HEADER), request);
      return body instanceof Promise ? body.then(done, failed) : done(body);
    } catch (error) {
      return failed(error);
    }
  }

  /** The client is gone: closes and forgets what it held. */
  async close(): Promise<void> {
    const { nodes, files } = this.handles.clear();
    for (const file of files) await this.fs.close(file);
    for (const node of nodes) this.fs.forget(node);
  }

  private dispatch({ opcode, node: id }: Header, r: RequestReader, request: Uint8Array): Awaitable<Body | undefined> {
    const { fs, handles } = this;
    if (this.readOnly && CHANGES.has(opcode)) throw new FsError('EROFS');
    switch (opcode) {
      case OPCODE.FORGET:
        this.forget(id, r.u64());
        return undefined;
      case OPCODE.BATCH_FORGET:
        return this.batchForget(r);
      case OPCODE.INTERRUPT:
        return undefined;
      case OPCODE.INIT:
        return initialise(r);
      case OPCODE.DESTROY:
        return after(this.close(), () => NOTHING);
      case OPCODE.LOOKUP:
        return after(fs.lookup(handles.node(id), checkName(r.name())), (node) => this.entry(node));
      case OPCODE.GETATTR: {
        const flags = r.u32();
        r.skip(4);
        const fh = r.u64();
        const file = flags & GETATTR_HANDLE ? handles.file(fh) : undefined;
        return after(fs.attributes(handles.node(id), file), (a) => attributesBody(a, this.validSeconds));
      }
      case OPCODE.SETATTR: {
        const node = handles.node(id);
        const { change, file } = readChange(r);
        const open = file === undefined ? undefined : handles.file(file);
        return after(fs.setAttributes(node, change, open), (a) => attributesBody(a, this.validSeconds));
      }
      case OPCODE.READLINK:
        return fs.readLink(handles.node(id));
      case OPCODE.SYMLINK: {
        const name = checkName(r.name());
        const target = nameBytes(r.name());
        return after(fs.makeSymlink(handles.node(id), name, target), (node) => this.entry(node));
      }
      case OPCODE.MKNOD: {
        const mode = r.u32();
        r.skip(12);
        const name = checkName(r.name());
        // Only files: a device or socket of the guest's has no meaning for the host, and a share is no place for one.
        if ((mode & TYPE_MASK) !== FILE_TYPE.file && (mode & TYPE_MASK) !== 0) throw new FsError('EPERM');
        const written = { read: false, write: true, truncate: false };
        return after(fs.create(handles.node(id), name, permissions(mode), written), ({ node, handle }) =>
          after(fs.close(handle), () => this.entry(node)),
        );
      }
      case OPCODE.MKDIR: {
        const mode = r.u32();
        r.skip(4);
        const name = checkName(r.name());
        return after(fs.makeDirectory(handles.node(id), name, permissions(mode)), (node) => this.entry(node));
      }
      case OPCODE.UNLINK:
        return after(fs.unlink(handles.node(id), checkName(r.name())), nothing);
      case OPCODE.RMDIR:
        return after(fs.removeDirectory(handles.node(id), checkName(r.name())), nothing);
      case OPCODE.RENAME:
      case OPCODE.RENAME2: {
        const to = handles.node(r.u64());
        const flags = opcode === OPCODE.RENAME2 ? r.u32() : 0;
        if (opcode === OPCODE.RENAME2) r.skip(4);
        if (flags > 2) throw new FsError('EINVAL', 'whiteouts are not served');
        const name = checkName(r.name());
        return after(fs.rename(handles.node(id), name, to, checkName(r.name()), flags), nothing);
      }
      case OPCODE.LINK: {
        const node = handles.node(r.u64());
        return after(fs.link(node, handles.node(id), checkName(r.name())), () => this.entry(node));
      }
      case OPCODE.OPEN: {
        const mode = openMode(r.u32());
        if (this.readOnly && (mode.write || mode.truncate)) throw new FsError('EROFS');
        return after(fs.open(handles.node(id), mode), (file) => opened(handles.addFile(file)));
      }
      case OPCODE.CREATE: {
        const flags = r.u32();
        const bits = r.u32();
        r.skip(8);
        const created = this.create(handles.node(id), checkName(r.name()), permissions(bits), flags);
        return after(created, ({ node, handle }) =>
          after(this.entry(node), (entry) => joined(entry, opened(handles.addFile(handle)))),
        );
      }
      case OPCODE.READ: {
        const file = handles.file(r.u64());
        const offset = offsetOf(r.u64());
        const into = new Uint8Array(this.room + Math.min(r.u32(), MAX_TRANSFER)).subarray(this.room);
        return after(fs.read(file, offset, into), (length) => into.subarray(0, length));
      }
      case OPCODE.WRITE: {
        const file = handles.file(r.u64());
        const offset = offsetOf(r.u64());
        const size = r.u32();
        r.skip(20);
        return after(fs.write(file, offset, r.data(size)), () => words(size, 0));
      }
      case OPCODE.STATFS:
        return after(fs.statistics(), (s) => {
          const w = new ReplyWriter(80);
          for (const count of [s.blocks, s.freeBlocks, s.availableBlocks, s.files, s.freeFiles]) w.u64(count);
          w.u32(s.blockSize);
          w.u32(NAME_MAX);
          w.u32(s.blockSize);
          return w.bytes;
        });
      case OPCODE.RELEASE:
      case OPCODE.RELEASEDIR: {
        const file = handles.release(r.u64());
        return file === undefined ? NOTHING : after(fs.close(file), nothing);
      }
      case OPCODE.FSYNC: {
        const file = handles.file(r.u64());
        return after(fs.sync(file, (r.u32() & FSYNC_DATA_ONLY) !== 0), nothing);
      }
      case OPCODE.FSYNCDIR:
        handles.directory(r.u64());
        return NOTHING;
      case OPCODE.OPENDIR: {
        const node = handles.node(id);
        return after(fs.attributes(node), ({ mode }) => {
          if ((mode & TYPE_MASK) !== FILE_TYPE.directory) throw new FsError('ENOTDIR');
          return opened(handles.addDirectory(node), 0);
        });
      }
      case OPCODE.READDIR:
      case OPCODE.READDIRPLUS:
        return this.listing.read(r, opcode === OPCODE.READDIRPLUS);
      case OPCODE.FALLOCATE: {
        if (fs.allocate === undefined) throw new FsError('ENOSYS');
        const file = handles.file(r.u64());
        const offset = offsetOf(r.u64());
        const length = offsetOf(r.u64());
        return after(fs.allocate(file, r.u32(), offset, length), nothing);
      }
      case OPCODE.LSEEK: {
        if (fs.seek === undefined) throw new FsError('ENOSYS');
        const file = handles.file(r.u64());
        const offset = offsetOf(r.u64());
        return after(fs.seek(file, offset, r.u32()), (at) => {
          const w = new ReplyWriter(8);
          w.u64(at);
          return w.bytes;
        });
      }
      case OPCODE.COPY_FILE_RANGE: {
        const from = handles.file(r.u64());
        const at = offsetOf(r.u64());
        r.skip(8);
        const to = handles.file(r.u64());
        const offset = offsetOf(r.u64());
        return after(this.copy(from, at, to, offset, Math.min(r.u64(), MAX_COPY)), (copied) => words(copied, 0));
      }
      case OPCODE.GETXATTR: {
        if (fs.getExtended === undefined) throw new FsError('ENOSYS');
        const room = r.u32();
        r.skip(4);
        return after(fs.getExtended(handles.node(id), r.name()), (value) => sized(value, room));
      }
      case OPCODE.LISTXATTR: {
        if (fs.listExtended === undefined) throw new FsError('ENOSYS');
        const room = r.u32();
        return after(fs.listExtended(handles.node(id)), (names) =>
          sized(nameBytes(names.map((name) => `${name}\0`).join('')), room),
        );
      }
      case OPCODE.SETXATTR: {
        if (fs.setExtended === undefined) throw new FsError('ENOSYS');
        const size = r.u32();
        const flags = r.u32();
        const name = r.name();
        if (size > MAX_EXTENDED) throw new FsError('ERANGE');
        return after(fs.setExtended(handles.node(id), name, r.data(size).slice(), flags), nothing);
      }
      case OPCODE.REMOVEXATTR:
        if (fs.removeExtended === undefined) throw new FsError('ENOSYS');
        return after(fs.removeExtended(handles.node(id), r.name()), nothing);
      default:
        // FLUSH (nothing is held back here), ACCESS, locks, ioctl, poll, tmpfile, …: the client does without (it asks once).
        throw new FsError('ENOSYS', `opcode ${opcode} of a request of ${request.length} bytes`);
    }
  }

  private forget(id: number, times: number): void {
    const node = this.handles.forget(id, times);
    if (node !== undefined) this.fs.forget(node);
  }

  private batchForget(r: RequestReader): undefined {
    const count = r.u32();
    r.skip(4);
    for (let i = 0; i < count; i++) this.forget(r.u64(), r.u64());
  }

  /** Creates a file, or opens the one that somebody made since the client looked, unless the client wants it new. */
  private create(
    directory: N,
    name: Name,
    bits: number,
    flags: number,
  ): Awaitable<{ readonly node: N; readonly handle: H }> {
    const { fs } = this;
    const mode = openMode(flags);
    const found = (error: unknown): Awaitable<{ readonly node: N; readonly handle: H }> => {
      if (errnoOf(error) !== ERRNO_NUMBER.EEXIST || (flags & OPEN.exclusive) !== 0) throw error;
      return after(fs.lookup(directory, name), (node) => after(fs.open(node, mode), (handle) => ({ node, handle })));
    };
    try {
      const created = fs.create(directory, name, bits, mode);
      return created instanceof Promise ? created.catch(found) : created;
    } catch (error) {
      return found(error);
    }
  }

  /** fuse_entry_out of a node that is given to the client. */
  private entry(node: N): Awaitable<Body> {
    return after(this.fs.attributes(node), (a) => {
      const w = new ReplyWriter(ENTRY_SIZE);
      this.writeEntry(w, node, a);
      return w.bytes;
    });
  }

  private writeEntry(w: ReplyWriter, node: N, a: Attributes): void {
    w.u64(this.handles.give(node));
    w.u64(0); // generation: ids are not used twice
    w.u64(this.validSeconds);
    w.u64(this.validSeconds);
    w.skip(8);
    w.attributes(a);
  }

  private async copy(from: H, at: number, to: H, offset: number, length: number): Promise<number> {
    const buffer = new Uint8Array(Math.min(length, MAX_TRANSFER));
    let copied = 0;
    while (copied < length) {
      const got = await this.fs.read(from, at + copied, buffer.subarray(0, Math.min(buffer.length, length - copied)));
      if (got === 0) break;
      await this.fs.write(to, offset + copied, buffer.subarray(0, got));
      copied += got;
    }
    return copied;
  }
}

function reply(unique: Uint8Array, body: Body, errno: number, room: boolean): FuseReply {
  const header = new Uint8Array(OUT_HEADER);
  const view = new DataView(header.buffer);
  view.setUint32(0, OUT_HEADER + body.length, true);
  view.setInt32(4, -errno, true);
  header.set(unique, 8);
  return { header, body, room };
}
