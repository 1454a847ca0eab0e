import { html, nothing, render, type TemplateResult } from 'lit';
import type { Focus } from '../focus/focus.ts';
import type { CallStack, Frame } from '../worker/questions/call-stack.ts';
import type { OpenPane, PaneContext, PaneKind } from './pane.ts';

/** The functions that were called and have not returned. */
export const callStackPane: PaneKind = {
  name: 'stack',
  title: 'Call stack',
  about: 'The functions that were called and have not returned, of the hart or of the process in focus.',
  mount: (host, context) => new CallStackPane(host, context),
};

class CallStackPane implements OpenPane {
  private readonly host: HTMLElement;
  private readonly context: PaneContext;

  constructor(host: HTMLElement, context: PaneContext) {
    this.host = host;
    this.context = context;
  }

  async update({ hart, process }: Focus): Promise<void> {
    render(this.view(await this.context.ask('callStack', hart, process)), this.host);
  }

  close(): void {
    render(nothing, this.host);
  }

  private view({ of, parts }: CallStack): TemplateResult {
    return html`
      <p class="pane-note">Of ${of}</p>
      ${parts.map(
        ({ title, frames }) => html`
          ${title === '' ? nothing : html`<h3>${title}</h3>`}
          <ol class="code frames">${frames.map((frame, i) => this.frame(frame, i))}</ol>`,
      )}
      ${parts.every(({ frames }) => frames.length === 0) ? html`<p class="pane-note">There are no frames to be found here.</p>` : nothing}`;
  }

  private frame({ pc, sp, name, line }: Frame, index: number): TemplateResult {
    return html`
      <li>
        <span class="bits">#${index}</span>
        <button class="target" title="Look at the stack of this frame in memory" @click=${() => this.lookAt(sp)}>${name ?? `0x${pc.toString(16)}`}</button>
        ${line === undefined ? nothing : html`<span class="symbol">${line}</span>`}
      </li>`;
  }

  private lookAt(address: bigint): void {
    this.context.open('memory');
    this.context.focus.set({ address });
  }
}
