import type { Terminal } from '@xterm/xterm';
import type { ConsoleHistory } from './history.ts';

/** Bytes of console output that are looked through. */
const REACH = 1 << 20;
const [BELL, ESCAPE] = [0x07, 0x1b];

/** Output as it reads: escape sequences and control characters but line feeds left out; `offsets` says where each character came from. */
function readable(bytes: Uint8Array): { readonly text: string; readonly offsets: Uint32Array } {
  const offsets = new Uint32Array(bytes.length);
  const kept = new Uint8Array(bytes.length);
  let count = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === ESCAPE) {
      // Control sequences end in a byte from @ on, operating system commands in a bell; others are of two bytes (ECMA-48).
      const kind = String.fromCharCode(bytes[++i] ?? 0);
      if (kind === '[')
        do i++;
        while (i < bytes.length && bytes[i] < 0x40);
      else if (kind === ']') while (i < bytes.length && bytes[i] !== BELL) i++;
      continue;
    }
    if (byte < 0x20 && byte !== 10) continue;
    offsets[count] = i;
    kept[count++] = byte;
  }
  return { text: new TextDecoder('latin1').decode(kept.subarray(0, count)), offsets };
}

/**
 * Finds where a line that shows on a terminal was printed.
 * @param end how much of the history shows @param line the line up to the character that is meant @param later how many lines below begin in the same way
 * @returns offset of that character's byte; undefined when it is not found, as where a program draws the screen
 */
export function findPrinted(history: ConsoleHistory, end: number, line: string, later: number): number | undefined {
  const from = Math.max(0, end - REACH);
  const { text, offsets } = readable(history.slice(from, end));
  const wanted = new TextDecoder('latin1').decode(new TextEncoder().encode(line));
  let left = later;
  for (let at = text.lastIndexOf(wanted); at >= 0; at = at === 0 ? -1 : text.lastIndexOf(wanted, at - 1)) {
    if (at > 0 && text[at - 1] !== '\n') continue;
    if (left-- === 0) return from + offsets[at + wanted.length - 1];
  }
  return undefined;
}

/** What was clicked on: its line up to there, and how many lines below begin in the same way. Undefined where nothing is. */
export function clickedLine(
  terminal: Terminal,
  event: MouseEvent,
): { readonly line: string; readonly later: number } | undefined {
  const screen = terminal.element?.querySelector('.xterm-screen')?.getBoundingClientRect();
  if (screen === undefined) return undefined;
  const buffer = terminal.buffer.active;
  const column = Math.floor(((event.clientX - screen.left) / screen.width) * terminal.cols);
  const row = buffer.viewportY + Math.floor(((event.clientY - screen.top) / screen.height) * terminal.rows);
  let first = row;
  while (first > 0 && buffer.getLine(first)?.isWrapped) first--;
  const textOf = (y: number, to?: number): string =>
    buffer.getLine(y)?.translateToString(to === undefined, 0, to) ?? '';
  let line = '';
  for (let y = first; y < row; y++) line += textOf(y, terminal.cols);
  line = (line + textOf(row, column + 1)).trimEnd();
  if (line === '') return undefined;
  let later = 0;
  for (let y = row + 1; y < buffer.length; y++) if (textOf(y).startsWith(line)) later++;
  return { line, later };
}
