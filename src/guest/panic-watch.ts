const NEWLINE = 0x0a;
const RETURN = 0x0d;
const LONGEST_LINE = 400;
/** The last line of a panic, after which the kernel does nothing more (Linux, kernel/panic.c). */
const LAST_LINE = /^(?:\[ *\d+\.\d+\] )?---\[ end Kernel panic - not syncing(?:: (.*?))? \]---\s*$/;

/**
 * Looks for a kernel panic in what the console prints. A program of the guest may print an old panic's text too, so a panic
 * is only suspected, until nothing has followed its last line for a while.
 */
export class PanicWatch {
  private line: number[] = [];
  private found: string | undefined;

  /** What the kernel said about the panic that nothing has followed yet; undefined when there is none. */
  get suspected(): string | undefined {
    return this.found;
  }

  /** Takes console bytes as they come. */
  push(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte === NEWLINE) this.endLine();
      else if (byte !== RETURN) {
        this.found = undefined;
        if (this.line.length < LONGEST_LINE) this.line.push(byte);
      }
    }
  }

  private endLine(): void {
    if (this.line.length > 0) {
      const match = LAST_LINE.exec(String.fromCharCode(...this.line));
      if (match) this.found = match[1] ?? 'no reason given';
    }
    this.line = [];
  }
}
