import type { Board } from '../board/board.ts';

/** Collects what devices put out during a slice and passes it on after it, so that nobody outside is called while the machine executes. */
export class Outputs {
  private readonly pass: (port: number, bytes: Uint8Array) => void;
  private collected: { readonly port: number; readonly bytes: Uint8Array }[] = [];
  private readonly isStream: (port: number) => boolean;

  /**
   * @param isStream whether neighbouring pieces of a port are one stream; otherwise each is a frame
   * @param pass gets frames one by one, and the pieces of one stream joined while no other port was between
   */
  constructor(isStream: (port: number) => boolean, pass: (port: number, bytes: Uint8Array) => void) {
    this.isStream = isStream;
    this.pass = pass;
  }

  collect(port: number, bytes: Uint8Array): void {
    this.collected.push({ port, bytes });
  }

  flush(): void {
    if (this.collected.length === 0) return;
    const { collected } = this;
    this.collected = [];
    for (let i = 0; i < collected.length; ) {
      const { port } = collected[i];
      const joined = this.isStream(port);
      let end = i + 1;
      let { length } = collected[i].bytes;
      for (; joined && end < collected.length && collected[end].port === port; end++)
        length += collected[end].bytes.length;
      if (end === i + 1) {
        this.pass(port, collected[i++].bytes);
        continue;
      }
      const bytes = new Uint8Array(length);
      for (let at = 0; i < end; i++) {
        bytes.set(collected[i].bytes, at);
        at += collected[i].bytes.length;
      }
      this.pass(port, bytes);
    }
  }
}

/** Whether output of a port is meant for the terminal. */
export const isTerminal = ({ uart, sbiConsoleId }: Board, port: number): boolean =>
  port === uart || port === sbiConsoleId;
