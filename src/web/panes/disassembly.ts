import { html, nothing, render, type TemplateResult } from 'lit';
import type { Focus } from '../focus/focus.ts';
import type { Code, CodeLine } from '../worker/questions/disassembly.ts';
import type { OpenPane, PaneContext, PaneKind } from './pane.ts';

/** Instructions that are shown at once: what a function usually has; a longer one is gone through by its branches. */
const LINES = 400;

/** The code that a hart executes. */
export const disassemblyPane: PaneKind = {
  name: 'disassembly',
  title: 'Disassembly',
  about: 'The code around the program counter, with symbols.',
  mount: (host, context) => new DisassemblyPane(host, context),
};

/** Scrolls a line into sight, within the pane alone. */
function reveal(host: HTMLElement, line: HTMLElement): void {
  const [frame, place] = [host.getBoundingClientRect(), line.getBoundingClientRect()];
  if (place.top < frame.top || place.bottom > frame.bottom) host.scrollTop += place.top - frame.top - frame.height / 3;
}

class DisassemblyPane implements OpenPane {
  private readonly host: HTMLElement;
  private readonly context: PaneContext;
  /** Where the code that is shown begins; undefined: around the program counter. */
  private from: bigint | undefined;

  constructor(host: HTMLElement, context: PaneContext) {
    this.host = host;
    this.context = context;
  }

  async update({ hart }: Focus): Promise<void> {
    const code = await this.context.ask('disassembly', hart, this.from, LINES);
    render(this.view(code), this.host);
    const current = this.host.querySelector('[aria-current]');
    if (this.from === undefined && current !== null) reveal(this.host, current as HTMLElement);
  }

  close(): void {
    render(nothing, this.host);
  }

  private show(from: bigint | undefined): void {
    this.from = from;
    void this.update(this.context.focus.now);
  }

  private view({ pc, lines, place }: Code): TemplateResult {
    return html`
      <p class="pane-note">
        ${place ?? 'no symbol here'}
        ${this.from === undefined ? nothing : html`<button @click=${() => this.show(undefined)}>Back to pc</button>`}
      </p>
      ${lines.length === 0 ? html`<p class="pane-note">Nothing is mapped at this address.</p>` : nothing}
      <ol class="code">${lines.map((line) => this.line(line, line.address === pc))}</ol>`;
  }

  private line({ address, bits, text, target, label }: CodeLine, isHere: boolean): TemplateResult {
    return html`
      ${label === undefined ? nothing : html`<li class="label">${label}:</li>`}
      <li aria-current=${isHere ? 'step' : nothing}>
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
