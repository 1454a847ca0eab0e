import { SearchAddon } from '@xterm/addon-search';
import { SerializeAddon } from '@xterm/addon-serialize';
import { Terminal } from '@xterm/xterm';
import { concat } from '../../bytes/concat.ts';
import type { TerminalSearch } from './find-bar.ts';
import { clickedLine, findPrinted } from './find-printed.ts';
import type { ConsoleHistory } from './history.ts';
import { cellSize, TERMINAL_OPTIONS } from './theme.ts';

/** Bytes of console output between kept states of the terminal. */
const STATE_EVERY = 16_384;
/** Lines above the screen that a kept state has. */
const SCROLLBACK = 1000;
const SMALLEST_FONT = 10;
/** Full reset (ECMA-48, 8.3.105), and synchronized output (DEC private mode 2026): what is on the screen stays until the mode is left. */
const RESET = '\x1bc';
const [HOLD, RELEASE] = ['\x1b[?2026h', '\x1b[?2026l'];
const encoder = new TextEncoder();

/** The terminal after so many bytes of output, as what has to be written to get there. */
interface KeptState {
  readonly offset: number;
  readonly columns: number;
  readonly rows: number;
  readonly text: string;
}

/** The terminal as it was: its state at any instant, from what the console said until then. Nothing can be typed. */
export class PastTerminal {
  readonly terminal: Terminal;
  readonly search: TerminalSearch;
  private history: ConsoleHistory;
  private readonly serializer = new SerializeAddon();
  private readonly host: HTMLElement;
  private readonly watcher: ResizeObserver;
  private fontSize: number;
  private kept: KeptState[] = [];
  private shown = 0;
  private wanted: { readonly instructions: number; readonly offset: number } | undefined;
  private busy: Promise<void> | undefined;

  /** @param onClick gets the offset of the character that was clicked on */
  constructor(host: HTMLElement, history: ConsoleHistory, fontSize: number, onClick: (offset: number) => void) {
    this.history = history;
    this.host = host;
    this.fontSize = fontSize;
    this.watcher = new ResizeObserver(() => this.fit());
    this.watcher.observe(host);
    this.terminal = new Terminal({ ...TERMINAL_OPTIONS, disableStdin: true, scrollback: SCROLLBACK, fontSize });
    this.terminal.loadAddon(this.serializer);
    const search = new SearchAddon();
    this.search = search;
    this.terminal.loadAddon(search);
    this.terminal.open(host);
    host.addEventListener('click', (event) => {
      // A click that ends a selection is not meant.
      const clicked = this.terminal.hasSelection() ? undefined : clickedLine(this.terminal, event);
      const offset = clicked && findPrinted(this.history, this.shown, clicked.line, clicked.later);
      if (offset !== undefined) onClick(offset);
    });
  }

  /**
   * Shows what the terminal showed when so many instructions were executed. Of several wishes while one is carried out only the last counts.
   * @returns resolves when it shows
   */
  show(instructions: number, offset = this.history.offsetAfter(instructions)): Promise<void> {
    this.wanted = { instructions, offset };
    if (this.busy === undefined) {
      this.host.setAttribute('aria-busy', 'true');
      this.busy = this.work().finally(() => {
        this.busy = undefined;
        this.host.removeAttribute('aria-busy');
      });
    }
    return this.busy;
  }

  /** Shows another history from now on. */
  look(history: ConsoleHistory): void {
    this.history = history;
    this.kept = [];
    this.shown = Infinity;
  }

  /** What came after an offset did not happen. */
  cut(): void {
    this.kept = this.kept.filter(({ offset }) => offset <= this.history.length);
    if (this.shown > this.history.length) this.shown = Infinity;
  }

  setFontSize(size: number): void {
    this.fontSize = size;
    this.fit();
  }

  close(): void {
    this.watcher.disconnect();
    this.terminal.dispose();
  }

  private async work(): Promise<void> {
    for (let next = this.wanted; next !== undefined; next = this.wanted) {
      this.wanted = undefined;
      await this.bring(next.instructions, next.offset);
    }
  }

  private async bring(instructions: number, offset: number): Promise<void> {
    const { terminal, history } = this;
    if (terminal.options.convertEol !== history.isPlain) {
      terminal.options.convertEol = history.isPlain;
      this.kept = [];
      this.shown = Infinity;
    }
    const from = this.kept.findLast((state) => state.offset <= offset);
    // What was shown stays until what comes instead is whole: it is written in one piece, or held.
    let begin = '';
    let held = false;
    if (this.shown > offset || (from !== undefined && from.offset > this.shown)) {
      begin = RESET + (from?.text ?? '');
      if (from !== undefined) this.resize(from.columns, from.rows);
      this.shown = from?.offset ?? 0;
    }
    while (this.shown < offset || begin !== '') {
      const size = history.sizeAt(history.instructionsAt(this.shown));
      if (size !== undefined) this.resize(size.columns, size.rows);
      const last = this.kept.at(-1)?.offset ?? 0;
      // After a line feed: nowhere else is it sure that no escape sequence is cut in two.
      const border = last > this.shown ? offset : (history.lineEnd(last + STATE_EVERY, 1) ?? Infinity);
      const to = Math.min(offset, Math.max(this.shown + 1, border));
      if (to < offset && begin !== '' && !held) {
        begin += HOLD;
        held = true;
      } else if (to === offset && held) begin += RELEASE;
      await this.write(concat([encoder.encode(begin), history.slice(this.shown, to)]));
      begin = '';
      this.shown = to;
      if (to === border) this.keep();
    }
    const size = history.sizeAt(instructions);
    if (size !== undefined) this.resize(size.columns, size.rows);
  }

  private keep(): void {
    const { cols: columns, rows } = this.terminal;
    const text = this.serializer.serialize({ scrollback: SCROLLBACK });
    this.kept.push({ offset: this.shown, columns, rows, text });
  }

  private resize(columns: number, rows: number): void {
    if (columns === this.terminal.cols && rows === this.terminal.rows) return;
    this.terminal.resize(columns, rows);
    this.fit();
  }

  /** The terminal has as many characters as it had then: they are smaller where there is less room now. */
  private fit(): void {
    const { clientWidth, clientHeight } = this.host;
    if (clientWidth === 0) return;
    const { cols, rows } = this.terminal;
    const { width, height } = cellSize();
    const fits = Math.min(clientWidth / (cols * width), clientHeight / (rows * height));
    const size = Math.max(SMALLEST_FONT, Math.min(this.fontSize, Math.floor(fits * 2) / 2));
    if (size !== this.terminal.options.fontSize) this.terminal.options.fontSize = size;
  }

  private write(data: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.terminal.write(data, resolve));
  }
}
