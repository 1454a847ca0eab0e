import { html, nothing, render, type TemplateResult } from 'lit';
import type { AccessOrigin } from '../../debug/origin.ts';
import type { Focus } from '../focus/focus.ts';
import { shortTime } from '../timeline/units.ts';
import type { MemoryBytes } from '../worker/questions/memory.ts';
import type { OpenPane, PaneContext, PaneKind } from './pane.ts';

/** Bytes of a row: as many as there is room for. */
const [NARROW, WIDE] = [8, 16];
/** Width of a row of 16 bytes in characters, and a row's height in those of a line; see panes.css. */
const WIDE_CHARACTERS = 84;
const ROW_HEIGHT = 19.2;
const CHARACTER = 7.3;
const FEWEST_ROWS = 4;
const LENGTHS = [1, 2, 4, 8];
/** Rows that one turn of the wheel moves. */
const WHEEL_ROWS = 3;

/** What can be asked about a byte. */
const SEARCHES = [
  { kind: 'write', direction: -1, label: 'Who wrote this', none: 'Nothing wrote there before this instant.' },
  { kind: 'read', direction: -1, label: 'Who read it last', none: 'Nothing read it before this instant.' },
  { kind: 'read', direction: 1, label: 'Who reads it next', none: 'Nothing reads it from here to the end.' },
  { kind: 'write', direction: 1, label: 'Who writes it next', none: 'Nothing writes there from here to the end.' },
] as const;

/** Memory as hexadecimal. */
export const memoryPane: PaneKind = {
  name: 'memory',
  title: 'Memory',
  about: 'Memory as hexadecimal; for any byte, who wrote it and who reads it next.',
  mount: (host, context) => new MemoryPane(host, context),
};

class MemoryPane implements OpenPane {
  private readonly host: HTMLElement;
  private readonly context: PaneContext;
  private from: bigint | undefined;
  private columns = NARROW;
  private rows = FEWEST_ROWS;
  private readonly watcher: ResizeObserver;
  private focused: bigint | undefined;
  private length = 8;
  private shown: MemoryBytes | undefined;
  private before: MemoryBytes | undefined;
  private shownAt = '';
  private found: AccessOrigin | undefined;
  private said = '';

  constructor(host: HTMLElement, context: PaneContext) {
    this.host = host;
    this.context = context;
    host.addEventListener('wheel', this.onWheel, { passive: false });
    this.watcher = new ResizeObserver(() => this.measure());
    this.watcher.observe(host);
  }

  async update(focus: Focus): Promise<void> {
    if (focus.address !== this.focused) {
      this.focused = focus.address;
      this.bringIntoSight(focus.address);
    }
    this.from ??= this.rowOf(await this.context.ask('addressOf', focus.hart, 'sp'));
    const { at } = this.context.state();
    const now = await this.context.ask('memory', focus.hart, focus.process, this.from, this.size, focus.address);
    const here = `${at.instructions} ${at.sequence}`;
    if (here !== this.shownAt) this.before = this.shown;
    this.shownAt = here;
    this.shown = now;
    render(this.view(now), this.host);
    // What stands above the rows may have become higher or lower.
    this.measure();
  }

  close(): void {
    this.watcher.disconnect();
    this.host.removeEventListener('wheel', this.onWheel);
    render(nothing, this.host);
  }

  private bringIntoSight(address: bigint | undefined): void {
    if (address === undefined) return;
    const { from } = this;
    if (from === undefined || address < from || address >= from + BigInt(this.size))
      this.from = this.wrapped(this.rowOf(address) - BigInt(this.columns * Math.floor(this.rows / 3)));
  }

  /** Bytes that are shown. */
  private get size(): number {
    return this.columns * this.rows;
  }

  private rowOf(address: bigint): bigint {
    return address & ~BigInt(this.columns - 1);
  }

  /** As many rows and columns as there is room for. */
  private measure(): void {
    const grid = this.host.querySelector<HTMLElement>('.hex');
    if (grid === null) return;
    const columns = grid.clientWidth >= WIDE_CHARACTERS * CHARACTER ? WIDE : NARROW;
    const rows = Math.max(FEWEST_ROWS, Math.floor(grid.clientHeight / ROW_HEIGHT));
    if (columns === this.columns && rows === this.rows) return;
    [this.columns, this.rows] = [columns, rows];
    if (this.from !== undefined) this.from = this.rowOf(this.from);
    this.refresh();
  }

  private readonly wrapped = (address: bigint): bigint => BigInt.asUintN(64, address);

  private scroll(rows: number): void {
    if (this.from === undefined) return;
    this.from = this.wrapped(this.from + BigInt(rows * this.columns));
    this.refresh();
  }

  private refresh(): void {
    this.update(this.context.focus.now).catch((error: unknown) => this.context.say(String(error)));
  }

  private readonly onWheel = (event: WheelEvent): void => {
    if (!(event.target as Element).closest('.hex')) return;
    event.preventDefault();
    this.scroll(Math.sign(event.deltaY) * WHEEL_ROWS);
  };

  private view(memory: MemoryBytes): TemplateResult {
    const rows = Array.from({ length: Math.ceil(memory.bytes.length / this.columns) }, (_, i) => i * this.columns);
    return html`
      <form class="pane-form" @submit=${this.go}>
        <label><span class="only-read">Address</span>
          <input name="place" required placeholder="address, register or symbol" autocomplete="off" spellcheck="false" /></label>
        <button>Go</button>
        <button type="button" title="Up (Page Up)" aria-label="Up" @click=${() => this.scroll(-this.rows)}>▲</button>
        <button type="button" title="Down (Page Down)" aria-label="Down" @click=${() => this.scroll(this.rows)}>▼</button>
        <span class="symbol">${memory.place ?? ''}</span>
      </form>
      ${this.questions()}
      <div class="hex code" role="grid" aria-label="Bytes of memory" aria-rowcount="-1" tabindex="0" @keydown=${this.onKey}>
        ${rows.map((row) => this.row(memory, row))}
      </div>`;
  }

  private questions(): TemplateResult {
    const { focused } = this;
    if (focused === undefined)
      return html`<p class="pane-note">Choose a byte to ask who wrote it and who reads it next.</p>`;
    return html`
      <div class="pane-form" role="group" aria-label="Questions about the memory that is chosen">
        <label>At <span class="value">0x${focused.toString(16)}</span>
          <select aria-label="Bytes" @change=${this.chooseLength}>
            ${LENGTHS.map((n) => html`<option value=${n} ?selected=${n === this.length}>${n === 1 ? '1 byte' : `${n} bytes`}</option>`)}
          </select>
        </label>
        ${SEARCHES.map((search) => html`<button type="button" @click=${() => this.search(search)}>${search.label}</button>`)}
      </div>
      <div role="status">${this.said === '' ? nothing : html`<p>${this.said}</p>`}${this.found === undefined ? nothing : this.origin(this.found)}</div>`;
  }

  private origin({
    at,
    time,
    hart,
    device,
    process,
    place,
    instruction,
    before,
    after,
    stack,
  }: AccessOrigin): TemplateResult {
    return html`
      <div class="origin">
        <p>
          <button class="primary" @click=${() => this.context.move((machine) => machine.seek(at))}>Go there</button>
          ${shortTime(time, 1e3)}, hart ${hart}${process === undefined ? '' : `, ${process.comm} (${process.pid})`}:
          <strong>${numberText(before)} → ${numberText(after)}</strong>
        </p>
        <p class="code">${device === undefined ? html`${instruction}  at ${place}` : `written by ${device}, while the hart was at ${place}`}</p>
        ${
          device !== undefined || stack.length < 2
            ? nothing
            : html`<ol class="code frames" start="1">${stack.slice(1).map((frame) => html`<li>${frame}</li>`)}</ol>`
        }
      </div>`;
  }

  private row({ from, bytes, mapped }: MemoryBytes, row: number): TemplateResult {
    const columns = Array.from({ length: this.columns }, (_, i) => row + i);
    const text = columns.map((i) => (mapped[i] === 0 ? ' ' : printable(bytes[i]))).join('');
    return html`
      <div role="row">
        <span class="symbol" role="rowheader">${this.wrapped(from + BigInt(row))
          .toString(16)
          .padStart(16, '0')}</span>
        <span class="bytes" role="presentation">${columns.map((i) => this.byte(i))}</span>
        <span role="gridcell" class="text">${text}</span>
      </div>`;
  }

  private byte(index: number): TemplateResult {
    const { from, bytes, mapped } = this.shown!;
    const address = this.wrapped(from + BigInt(index));
    const { focused } = this;
    const chosen = focused !== undefined && address >= focused && address < focused + BigInt(this.length);
    const classes = `${this.hasChanged(address, bytes[index]) ? 'changed ' : ''}${chosen ? 'chosen' : ''}`;
    return html`<span role="gridcell" class=${classes} aria-selected=${chosen} @click=${() => this.context.focus.set({ address })}
      >${mapped[index] === 0 ? '··' : bytes[index].toString(16).padStart(2, '0')}</span>`;
  }

  private hasChanged(address: bigint, value: number): boolean {
    const { before } = this;
    if (before === undefined) return false;
    const index = address - before.from;
    if (index < 0n || index >= BigInt(before.bytes.length)) return false;
    return before.mapped[Number(index)] === 1 && before.bytes[Number(index)] !== value;
  }

  private readonly onKey = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }[event.key];
    const page = { PageUp: -this.rows, PageDown: this.rows }[event.key];
    if (by === undefined && page === undefined) return;
    event.preventDefault();
    if (page !== undefined) this.scroll(page);
    else this.context.focus.set({ address: this.wrapped((this.focused ?? this.from ?? 0n) + BigInt(by!)) });
  };

  private readonly chooseLength = (event: Event): void => {
    this.length = Number((event.target as HTMLSelectElement).value);
    this.refresh();
  };

  private readonly go = (event: Event): void => {
    event.preventDefault();
    const place = String(new FormData(event.target as HTMLFormElement).get('place')).trim();
    this.context
      .ask('addressOf', this.context.focus.now.hart, place)
      .then((address) => this.context.focus.set({ address }))
      .catch((error: unknown) => this.context.say(error instanceof Error ? error.message : String(error)));
  };

  private search({ kind, direction, none }: (typeof SEARCHES)[number]): void {
    const { hart, process } = this.context.focus.now;
    const address = this.focused!;
    const { length } = this;
    void this.context.move(async (machine) => {
      const found = await machine.findAccess({
        kind,
        direction,
        address,
        length,
        hart,
        ...(process !== undefined && { process }),
      });
      this.found = found === 'interrupted' ? undefined : found;
      this.said = found === 'interrupted' ? 'The search was interrupted.' : found === undefined ? none : '';
      this.refresh();
    });
  }
}

const printable = (byte: number): string => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.');

/** Up to eight bytes as the little-endian number they are. */
const numberText = (bytes: Uint8Array): string =>
  `0x${[...bytes]
    .reverse()
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .replace(/^0+(?=.)/, '')}`;
