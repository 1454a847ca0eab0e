import type { ReadStream, WriteStream } from 'node:tty';

/** A terminal's size in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** The terminal of a process whose input is one. It is in raw mode from {@link open} until {@link close}. */
export class HostTerminal {
  private readonly input: ReadStream;
  private readonly output: WriteStream;
  private readonly undo: () => string;
  private raw = false;
  private readonly restore = (): void => this.close();

  /** @param undo what to write when raw mode is left */
  constructor(input: ReadStream, output: WriteStream, undo: () => string) {
    this.input = input;
    this.output = output;
    this.undo = undo;
  }

  /** The size now; 80 × 24 when the terminal does not say. */
  get size(): TerminalSize {
    return { columns: this.output.columns || 80, rows: this.output.rows || 24 };
  }

  /** Enters raw mode; however the process ends, it is left again. */
  open(): void {
    if (this.raw) return;
    this.raw = true;
    // Listeners of 'exit' also run after uncaught exceptions and process.exit.
    process.on('exit', this.restore);
    this.input.setRawMode(true);
    this.input.resume();
  }

  /** Leaves raw mode. May be called twice. */
  close(): void {
    if (!this.raw) return;
    this.raw = false;
    process.removeListener('exit', this.restore);
    try {
      this.input.setRawMode(false);
      if (this.output.isTTY) this.output.write(this.undo());
    } catch {
      // The terminal is gone (its window was closed): nothing is left to restore.
    }
    this.input.pause();
  }

  /** Calls `changed` whenever the window's size does. @returns what ends it */
  onResize(changed: (size: TerminalSize) => void): () => void {
    const listener = (): void => changed(this.size);
    this.output.on('resize', listener);
    return () => this.output.removeListener('resize', listener);
  }
}
