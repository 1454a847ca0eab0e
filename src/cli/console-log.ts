/** Most bytes kept; a screen needs far less. */
const CAPACITY = 2 ** 20;

/** Questions to the terminal (ECMA-48 DSR and DA), which would be answered again. */
const QUESTION = /\x1b\[[?>=]?[\d;]*[nc]/g;

/** What the console printed, and by which instruction: the screen of any instant that is not too long ago. */
export class ConsoleLog {
  private chunks: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  private size = 0;

  /** @param at instructions after which the bytes had been printed; not below those before */
  push(at: number, bytes: Uint8Array): void {
    this.chunks.push({ at, bytes });
    this.size += bytes.length;
    while (this.size > CAPACITY) this.size -= this.chunks.shift()!.bytes.length;
  }

  /** What had been printed by then, to be shown again: without questions to the terminal. */
  until(at: number): Uint8Array {
    const printed = Buffer.concat(this.chunks.filter((chunk) => chunk.at <= at).map(({ bytes }) => bytes));
    return Buffer.from(printed.toString('latin1').replace(QUESTION, ''), 'latin1');
  }

  /** Forgets what was printed later. */
  forgetAfter(at: number): void {
    this.chunks = this.chunks.filter((chunk) => chunk.at <= at);
    this.size = this.chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }
}
