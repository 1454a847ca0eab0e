import { html, nothing, render, type TemplateResult } from 'lit';
import type { Focus } from '../focus/focus.ts';
import { LongList } from '../layout/long-list.ts';
import type { Code, CodeLine } from '../worker/questions/disassembly.ts';
import type { OpenPane, PaneContext, PaneKind } from './pane.ts';

/** Instructions that are fetched at a time, and at most. */
const AT_ONCE = 400;
const MOST = 40_000;
/** Height of a line; see panes.css. */
const ROW_HEIGHT = 19.2;

/** The code that a hart executes. */
export const disassemblyPane: PaneKind = {
  name: 'disassembly',
  title: 'Disassembly',
  about: 'The code around the program counter, with symbols.',
  mount: (host, context) => new DisassemblyPane(host, context),
};

/** A line of the pane: an instruction, or the label above it. */
type Row = { readonly label: string } | CodeLine;

class DisassemblyPane implements OpenPane {
  private readonly host: HTMLElement;
  private readonly context: PaneContext;
  private readonly list: LongList;
  /** Where the code that is shown begins; undefined: around the program counter. */
  private from: bigint | undefined;
  private rows: Row[] = [];
  private pc = 0n;
  /** Where the code that was not fetched yet begins. */
  private next = 0n;
  private fetching = false;

  constructor(host: HTMLElement, context: PaneContext) {
    this.host = host;
    this.context = context;
    this.list = new LongList(
      host,
      ROW_HEIGHT,
      (index) => this.row(this.rows[index]),
      () => void this.fetchMore(),
    );
  }

  async update({ hart }: Focus): Promise<void> {
    const code = await this.context.ask('disassembly', hart, this.from, AT_ONCE);
    this.pc = code.pc;
    this.rows = [];
    this.append(code);
    render(this.view(code), this.host);
    this.draw();
    const current = this.rows.findIndex((row) => 'address' in row && row.address === this.pc);
    if (this.from === undefined && current >= 0) this.list.reveal(current);
  }

  close(): void {
    this.list.close();
    render(nothing, this.host);
  }

  private show(from: bigint | undefined): void {
    this.from = from;
    this.host.scrollTop = 0;
    this.update(this.context.focus.now).catch((error: unknown) => this.context.say(String(error)));
  }

  /** Code goes on below what was fetched. */
  private async fetchMore(): Promise<void> {
    if (this.fetching || this.rows.length >= MOST) return;
    this.fetching = true;
    try {
      const { next } = this;
      const code = await this.context.ask('disassembly', this.context.focus.now.hart, next, AT_ONCE);
      if (next !== this.next || code.lines.length === 0) return;
      this.append(code);
      this.draw();
    } finally {
      this.fetching = false;
    }
  }

  private append({ lines }: Code): void {
    for (const line of lines) {
      if (line.label !== undefined) this.rows.push({ label: line.label });
      this.rows.push(line);
    }
    const last = lines.at(-1);
    if (last !== undefined) this.next = last.address + BigInt(last.bits.length / 2);
  }

  private draw(): void {
    const list = this.host.querySelector<HTMLElement>('.long-list');
    if (list !== null) this.list.show(list, this.rows.length);
  }

  private view({ lines, place }: Code): TemplateResult {
    return html`
      <p class="pane-note place">
        ${place ?? 'no symbol here'}
        ${this.from === undefined ? nothing : html`<button @click=${() => this.show(undefined)}>Back to pc</button>`}
      </p>
      ${lines.length === 0 ? html`<p class="pane-note">Nothing is mapped at this address.</p>` : nothing}
      <div class="long-list"></div>`;
  }

  private row(row: Row): TemplateResult {
    if (!('address' in row)) return html`<li class="label">${row.label}:</li>`;
    const { address, bits, text, target } = row;
    return html`
      <li aria-current=${address === this.pc ? 'step' : nothing}>
        <button class="address" title="Look at this address" @click=${() => this.context.focus.set({ address })}>${address.toString(16)}</button>
        <span class="bits">${bits}</span>
        ${
          target === undefined
            ? html`<span>${text}</span>`
            : html`<button class="target" title="Show the code there" @click=${() => this.show(target)}>${text}</button>`
        }
      </li>`;
  }
}
