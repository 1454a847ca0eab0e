import { FsError } from '../errno.ts';
import type { DirectoryEntry } from '../file-system.ts';
import { ROOT_ID } from './protocol.ts';

const TWO_32 = 2 ** 32;
/** Sessions that can be told apart; ids stay below 2^53. */
export const SESSIONS = 2 ** 20;

/** An open directory: what was in it when it was last read from its beginning. */
export interface OpenDirectory<N> {
  readonly node: N;
  entries: readonly DirectoryEntry[] | undefined;
}

/**
 * What a client holds: nodes with how often it was given each, open files and open directories, by ids.
 *
 * Ids carry the session's number. A client that was moved in time, or that goes on in another process, may name what another session
 * gave it: that is ESTALE, upon which Linux looks the path up again, and never somebody else's file.
 */
export class ClientHandles<N extends object, H extends object> {
  private readonly base: number;
  private readonly nodes = new Map<number, { readonly node: N; lookups: number }>();
  private readonly ids = new Map<N, number>();
  private readonly open = new Map<number, { readonly file: H } | { readonly directory: OpenDirectory<N> }>();
  private last = ROOT_ID;

  /** @param session from 1 on, below {@link SESSIONS}: another one for every server a client may have met */
  constructor(root: N, session: number) {
    if (!(Number.isInteger(session) && session >= 1 && session < SESSIONS))
      throw new RangeError(`session ${session}: expected 1 to ${SESSIONS - 1}`);
    this.base = session * TWO_32;
    this.nodes.set(ROOT_ID, { node: root, lookups: Infinity });
    this.ids.set(root, ROOT_ID);
  }

  /** How many nodes are held besides the root, and how many are open: for tests and counters. */
  get held(): { readonly nodes: number; readonly open: number } {
    return { nodes: this.nodes.size - 1, open: this.open.size };
  }

  node(id: number): N {
    const held = this.nodes.get(id);
    if (held === undefined) throw new FsError('ESTALE', `node ${id} was not given to this client`);
    return held.node;
  }

  /** Gives a node once more. @returns its id */
  give(node: N): number {
    let id = this.ids.get(node);
    if (id === undefined) {
      id = this.base + ++this.last;
      this.ids.set(node, id);
      this.nodes.set(id, { node, lookups: 0 });
    }
    this.nodes.get(id)!.lookups++;
    return id;
  }

  /** Takes a node back so many times. @returns the node if it is no longer held */
  forget(id: number, times: number): N | undefined {
    const held = this.nodes.get(id);
    if (held === undefined) return undefined;
    held.lookups -= times;
    if (held.lookups > 0) return undefined;
    this.nodes.delete(id);
    this.ids.delete(held.node);
    return held.node;
  }

  addFile(file: H): number {
    return this.add({ file });
  }

  addDirectory(node: N): number {
    return this.add({ directory: { node, entries: undefined } });
  }

  file(id: number): H {
    const open = this.open.get(id);
    if (open === undefined) throw new FsError(this.ours(id) ? 'EBADF' : 'ESTALE', `file ${id} is not open`);
    if (!('file' in open)) throw new FsError('EBADF', `${id} is a directory`);
    return open.file;
  }

  directory(id: number): OpenDirectory<N> {
    const open = this.open.get(id);
    if (open === undefined) throw new FsError(this.ours(id) ? 'EBADF' : 'ESTALE', `directory ${id} is not open`);
    if (!('directory' in open)) throw new FsError('ENOTDIR', `${id} is a file`);
    return open.directory;
  }

  /** @returns the file to close, if it was one */
  release(id: number): H | undefined {
    const open = this.open.get(id);
    this.open.delete(id);
    return open !== undefined && 'file' in open ? open.file : undefined;
  }

  /** Takes everything back. @returns what was held, to be forgotten and closed */
  clear(): { readonly nodes: readonly N[]; readonly files: readonly H[] } {
    const root = this.nodes.get(ROOT_ID)!;
    const nodes = [...this.nodes.values()].filter((held) => held !== root).map(({ node }) => node);
    const files = [...this.open.values()].flatMap((open) => ('file' in open ? [open.file] : []));
    this.nodes.clear();
    this.ids.clear();
    this.open.clear();
    this.nodes.set(ROOT_ID, root);
    this.ids.set(root.node, ROOT_ID);
    return { nodes, files };
  }

  private add(open: { readonly file: H } | { readonly directory: OpenDirectory<N> }): number {
    const id = this.base + ++this.last;
    this.open.set(id, open);
    return id;
  }

  private ours(id: number): boolean {
    return id > this.base && id <= this.base + this.last;
  }
}
