import { html, nothing, render, type TemplateResult } from 'lit';
import type { KernelLogLine } from '../worker/questions/kernel-log.ts';
import type { OpenPane, PaneContext, PaneKind } from './pane.ts';

/** Levels up to this are problems. */
const WARNING = 4;
const ERROR = 3;

/** The kernel's log as it is at the instant. */
export const kernelLogPane: PaneKind = {
  name: 'dmesg',
  title: 'Kernel log',
  about:
    "What the guest's kernel has written to its log (dmesg) up to here; choosing a line goes to when it was written.",
  mount: (host, context) => new KernelLogPane(host, context),
};

class KernelLogPane implements OpenPane {
  private readonly host: HTMLElement;
  private readonly context: PaneContext;
  private shown = 0;

  constructor(host: HTMLElement, context: PaneContext) {
    this.host = host;
    this.context = context;
  }

  async update(): Promise<void> {
    const lines = await this.context.ask('kernelLog');
    render(this.view(lines), this.host);
    if (lines !== undefined && lines.length !== this.shown) this.host.scrollTop = this.host.scrollHeight;
    this.shown = lines?.length ?? 0;
  }

  close(): void {
    render(nothing, this.host);
  }

  private view(lines: readonly KernelLogLine[] | undefined): TemplateResult {
    if (lines === undefined) return html`<p class="pane-note">No Linux kernel is up at this instant.</p>`;
    return html`<ol class="code log">${lines.map((line) => this.line(line))}</ol>`;
  }

  private line({ time, level, text }: KernelLogLine): TemplateResult {
    const kind = level <= ERROR ? 'error' : level <= WARNING ? 'warning' : '';
    return html`
      <li class=${kind}>
        <button class="address" title="Go to when this was written" @click=${() => this.goTo(time)}>${time.toFixed(6).padStart(12)}</button>
        ${kind === '' ? nothing : html`<span class="only-read">${kind}:</span>`}
        <span class="text">${text}</span>
      </li>`;
  }

  private goTo(time: number): void {
    void this.context.move((machine) => machine.seek({ time: time * 1e9 }));
  }
}
