import type { OpenMode } from './file-system.ts';

/** A node as it was opened: all that some file systems need to know of an open file. */
export class OpenNode<Node> {
  readonly node: Node;
  readonly mode: OpenMode;

  constructor(node: Node, mode: OpenMode) {
    this.node = node;
    this.mode = mode;
  }
}
