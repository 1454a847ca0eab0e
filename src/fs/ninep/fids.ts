import { FsError } from '../errno.ts';
import { type Awaitable, after, type DirectoryEntry, type FileSystem, type Name } from '../file-system.ts';

/** Fids that a client may hold. */
const MAX_FIDS = 1 << 20;

/** What a client holds under a number of its own. */
export interface Fid<N, H> {
  readonly node: N;
  readonly file?: H;
  /** A directory that is read: what was in it at its beginning. */
  entries?: readonly DirectoryEntry[];
  /** An attribute's value, or the list of their names. */
  readonly value?: Uint8Array;
  /** An attribute that is set once all of its value was written. */
  readonly setting?: { readonly name: Name; readonly value: Uint8Array; readonly flags: number; at: number };
}

/** The fids of a client. A node is forgotten once none holds it. */
export class Fids<N extends object, H extends object> {
  private readonly fs: FileSystem<N, H>;
  private readonly fids = new Map<number, Fid<N, H>>();
  /** How many fids hold a node. */
  private readonly uses = new Map<N, number>();

  constructor(fs: FileSystem<N, H>) {
    this.fs = fs;
  }

  get size(): number {
    return this.fids.size;
  }

  /** Whether any fid holds a node. */
  holds(node: N): boolean {
    return this.uses.has(node);
  }

  /** Lets all go. */
  async clear(): Promise<void> {
    for (const number of [...this.fids.keys()]) await this.release(number);
  }

  /** @throws FsError for a number that is not in use */
  get(number: number): Fid<N, H> {
    const fid = this.fids.get(number);
    if (fid === undefined) throw new FsError('ESTALE', `fid ${number} is not held`);
    return fid;
  }

  hold(number: number, fid: Fid<N, H>): void {
    if (this.fids.size >= MAX_FIDS) throw new FsError('ENFILE');
    // A fid in use is walked to itself, or by a client that lost count.
    const old = this.fids.get(number);
    this.uses.set(fid.node, (this.uses.get(fid.node) ?? 0) + 1);
    this.fids.set(number, fid);
    if (old !== undefined) void this.drop(old);
  }

  /** Lets a fid go: closes what it had open. */
  release(number: number): Awaitable<void> {
    const fid = this.get(number);
    this.fids.delete(number);
    return this.drop(fid);
  }

  private drop({ node, file }: Fid<N, H>): Awaitable<void> {
    const left = this.uses.get(node)! - 1;
    if (left > 0) this.uses.set(node, left);
    else this.uses.delete(node);
    return after(file === undefined ? undefined : this.fs.close(file), () => {
      if (left === 0 && !this.uses.has(node)) this.fs.forget(node);
    });
  }
}
