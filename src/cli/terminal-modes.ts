const MODE = /\x1b\[\?([\d;]+)([hl])|\x1b([=>])/g;
const LONGEST_SEQUENCE = 32;
/** The cursor is shown at start, so for this mode `l` is what needs undoing. */
const CURSOR = '25';

/**
 * Keeps which private modes (DECSET: alternate screen, mouse reports, bracketed paste …) the guest's programs turned on and
 * did not turn off, so that a killed machine leaves the terminal as it found it.
 */
export class TerminalModes {
  private tail = '';
  private readonly on = new Set<string>();
  private keypad = false;
  private touched = false;
  private readonly decoder = new TextDecoder('latin1');

  /** Takes what was written to the terminal. */
  push(bytes: Uint8Array): void {
    this.touched = true;
    const text = this.tail + this.decoder.decode(bytes);
    let end = 0;
    for (const match of text.matchAll(MODE)) {
      end = match.index + match[0].length;
      if (match[3] !== undefined) this.keypad = match[3] === '=';
      for (const mode of match[1]?.split(';') ?? []) {
        if ((match[2] === 'h') !== (mode === CURSOR)) this.on.add(mode);
        else this.on.delete(mode);
      }
    }
    const lastEscape = text.lastIndexOf('\x1b');
    this.tail = lastEscape >= end && text.length - lastEscape < LONGEST_SEQUENCE ? text.slice(lastEscape) : '';
  }

  /** What to write to undo them; empty when nothing was written. */
  undo(): string {
    if (!this.touched) return '';
    const modes = [...this.on].map((mode) => `\x1b[?${mode}${mode === CURSOR ? 'h' : 'l'}`);
    this.on.clear();
    return `${modes.join('')}${this.keypad ? '\x1b>' : ''}\x1b[0m`;
  }
}
