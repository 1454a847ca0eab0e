import {
  type Attributes,
  type Awaitable,
  after,
  type DirectoryEntry,
  FILE_TYPE,
  type FileSystem,
} from '../file-system.ts';
import { type Body, MAX_TRANSFER, writeDirent } from './bodies.ts';
import type { ClientHandles } from './handles.ts';
import { DIRENT_SIZE, ENTRY_SIZE } from './protocol.ts';
import { ReplyWriter, type RequestReader } from './wire.ts';

/** Gives a node to the client: writes its fuse_entry_out. */
export type EntryWriter<N> = (w: ReplyWriter, node: N, attributes: Attributes) => void;

/** Lists directories for a client. */
export class DirectoryListing<N extends object, H extends object> {
  private readonly fs: FileSystem<N, H>;
  private readonly handles: ClientHandles<N, H>;
  private readonly writeEntry: EntryWriter<N>;

  constructor(fs: FileSystem<N, H>, handles: ClientHandles<N, H>, writeEntry: EntryWriter<N>) {
    this.fs = fs;
    this.handles = handles;
    this.writeEntry = writeEntry;
  }

  /** READDIR, or READDIRPLUS. */
  read(r: RequestReader, plus: boolean): Awaitable<Body> {
    const open = this.handles.directory(r.u64());
    const from = r.u64();
    const size = Math.min(r.u32(), MAX_TRANSFER);
    if (from > 0 && open.entries !== undefined) return this.writeEntries(open.node, open.entries, from, size, plus);
    // From its beginning: read again, as rewinddir(3) wants it.
    return after(this.fs.list(open.node), (listed) => {
      const here = (name: string): DirectoryEntry => ({ name, inode: 1, type: FILE_TYPE.directory });
      open.entries = [here('.'), here('..'), ...listed];
      return this.writeEntries(open.node, open.entries, from, size, plus);
    });
  }

  private writeEntries(
    directory: N,
    entries: readonly DirectoryEntry[],
    from: number,
    size: number,
    plus: boolean,
  ): Awaitable<Body> {
    const w = new ReplyWriter(size);
    const finish = (): Body => w.bytes.subarray(0, w.offset);
    const step = (index: number): Awaitable<Body> => {
      for (let i = index; i < entries.length; i++) {
        const entry = entries[i];
        const length = (plus ? ENTRY_SIZE : 0) + DIRENT_SIZE + entry.name.length;
        const padded = (length + 7) & ~7;
        if (w.offset + padded > size) break;
        if (plus && i >= 2) {
          const inode = this.lookupForListing(directory, entry, w);
          if (inode instanceof Promise)
            return inode.then((found) => {
              writeDirent(w, entry, found, i + 1, padded - length);
              return step(i + 1);
            });
          writeDirent(w, entry, inode, i + 1, padded - length);
          continue;
        }
        if (plus) w.skip(ENTRY_SIZE);
        writeDirent(w, entry, entry.inode, i + 1, padded - length);
      }
      return finish();
    };
    return step(from);
  }

  /** Writes fuse_entry_out; one with nodeid 0 says that the client has to look the name up if it wants it. @returns the inode's number */
  private lookupForListing(directory: N, { name, inode }: DirectoryEntry, w: ReplyWriter): Awaitable<number> {
    const { fs } = this;
    const unknown = (): number => {
      w.skip(ENTRY_SIZE);
      return inode;
    };
    const write = (node: N): Awaitable<number> =>
      after(fs.attributes(node), (a) => {
        this.writeEntry(w, node, a);
        return a.inode;
      });
    try {
      const done = after(fs.lookup(directory, name), write);
      return done instanceof Promise ? done.catch(unknown) : done;
    } catch {
      return unknown();
    }
  }
}
