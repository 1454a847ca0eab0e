import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal } from '@xterm/xterm';
import type { TerminalSearch } from './find-bar.ts';
import { TERMINAL_OPTIONS } from './theme.ts';

const SCROLLBACK = 10_000;

/** What a terminal hands on. */
export interface TerminalListener {
  typed(data: string | Uint8Array): void;
  resized(columns: number, rows: number): void;
}

/** The terminal of the present: what is typed goes to the machine. */
export class LiveTerminal {
  readonly terminal: Terminal;
  readonly search: TerminalSearch;
  private readonly fitting = new FitAddon();
  private readonly watcher: ResizeObserver;
  private readonly host: HTMLElement;

  constructor(host: HTMLElement, listener: TerminalListener, fontSize: number) {
    this.host = host;
    this.terminal = new Terminal({ ...TERMINAL_OPTIONS, cursorBlink: true, scrollback: SCROLLBACK, fontSize });
    this.terminal.loadAddon(this.fitting);
    const search = new SearchAddon();
    this.search = search;
    this.terminal.loadAddon(search);
    this.terminal.loadAddon(new WebLinksAddon((_, uri) => void window.open(uri, '_blank', 'noopener,noreferrer')));
    this.terminal.open(host);
    this.fit();
    this.terminal.onData((text) => listener.typed(text));
    this.terminal.onBinary((text) => listener.typed(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    this.terminal.onResize(({ cols, rows }) => listener.resized(cols, rows));
    this.terminal.attachCustomKeyEventHandler((event) => this.isForGuest(event));
    this.watcher = new ResizeObserver(() => this.fit());
    this.watcher.observe(host);
  }

  get size(): { readonly columns: number; readonly rows: number } {
    return { columns: this.terminal.cols, rows: this.terminal.rows };
  }

  write(bytes: Uint8Array): void {
    this.terminal.write(bytes);
  }

  setFontSize(size: number): void {
    this.terminal.options.fontSize = size;
    this.fit();
  }

  focus(): void {
    this.terminal.focus();
  }

  close(): void {
    this.watcher.disconnect();
    this.terminal.dispose();
  }

  private fit(): void {
    if (this.host.clientWidth > 0 && this.host.clientHeight > 0) this.fitting.fit();
  }

  /** Copy and paste are the page's, with Shift as terminals have it; everything else is the guest's. */
  private isForGuest(event: KeyboardEvent): boolean {
    if (event.type !== 'keydown' || !event.ctrlKey || !event.shiftKey) return true;
    if (event.code === 'KeyC') {
      const selected = this.terminal.getSelection();
      if (selected !== '') void navigator.clipboard.writeText(selected);
      event.preventDefault();
      return false;
    }
    return event.code !== 'KeyV' && event.code !== 'KeyF';
  }
}
