/**
 * A tree of files in memory, on its way into a file-system image.
 */

/** Ownership and age of a node. Times are seconds since 1970. */
export interface NodeFacts {
  /** Permission bits with set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

export interface DirNode {
  readonly kind: 'dir';
  facts: NodeFacts;
  readonly children: Map<string, TreeNode>;
}
/** Hard links are the same node under several names. */
export interface FileNode {
  readonly kind: 'file';
  readonly facts: NodeFacts;
  readonly data: Uint8Array;
}
export interface LinkNode {
  readonly kind: 'symlink';
  readonly facts: NodeFacts;
  readonly target: string;
}
export interface DeviceNode {
  readonly kind: 'char';
  readonly facts: NodeFacts;
  readonly major: number;
  readonly minor: number;
}
export type TreeNode = DirNode | FileNode | LinkNode | DeviceNode;

const DIRECTORY: NodeFacts = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };
const MAX_LINKS_FOLLOWED = 40;
const split = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.');

/** A tree that grows as packages are laid into it, symbolic links followed as the kernel would. */
export class FileTree {
  readonly root: DirNode = { kind: 'dir', facts: DIRECTORY, children: new Map() };

  /** Puts a node at `path`, making directories on the way. A directory laid over one, or over a link to one, keeps what is in it. */
  put(path: string, node: TreeNode): void {
    const parts = split(path);
    const name = parts.pop();
    if (name === undefined) {
      this.root.facts = node.facts;
      return;
    }
    const parent = this.directory(parts, true)!;
    const old = parent.children.get(name);
    if (node.kind === 'dir') {
      if (old?.kind === 'dir') {
        old.facts = node.facts;
        return;
      }
      if (old?.kind === 'symlink' && this.find(path)?.kind === 'dir') return;
    }
    parent.children.set(name, node);
  }

  /** The node at `path`, links followed; undefined when there is none. */
  find(path: string): TreeNode | undefined {
    return this.walk(split(path), false, true);
  }

  /** The node at `path` itself, a last link not followed. */
  look(path: string): TreeNode | undefined {
    const parts = split(path);
    const name = parts.pop();
    return name === undefined ? this.root : this.directory(parts, false)?.children.get(name);
  }

  remove(path: string): void {
    const parts = split(path);
    const name = parts.pop();
    if (name !== undefined) this.directory(parts, false)?.children.delete(name);
  }

  private directory(parts: readonly string[], create: boolean): DirNode | undefined {
    const node = this.walk(parts, create, true);
    if (create && node?.kind !== 'dir') throw new Error(`/${parts.join('/')} is not a directory`);
    return node?.kind === 'dir' ? node : undefined;
  }

  private walk(parts: readonly string[], create: boolean, followLast: boolean): TreeNode | undefined {
    const path: DirNode[] = [this.root];
    const todo = [...parts];
    let followed = 0;
    while (todo.length > 0) {
      const here = path[path.length - 1]!;
      const name = todo.shift()!;
      if (name === '..') {
        if (path.length > 1) path.pop();
        continue;
      }
      let next = here.children.get(name);
      if (next === undefined) {
        if (!create) return undefined;
        next = { kind: 'dir', facts: DIRECTORY, children: new Map() };
        here.children.set(name, next);
      }
      if (next.kind === 'symlink' && (followLast || todo.length > 0)) {
        if (++followed > MAX_LINKS_FOLLOWED) throw new Error(`/${parts.join('/')}: too many symbolic links`);
        if (next.target.startsWith('/')) path.length = 1;
        todo.unshift(...split(next.target));
      } else if (next.kind === 'dir') path.push(next);
      else return todo.length === 0 ? next : undefined;
    }
    return path[path.length - 1];
  }
}
