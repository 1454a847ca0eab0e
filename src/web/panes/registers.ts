import { html, nothing, render, type TemplateResult } from 'lit';
import type { Focus } from '../focus/focus.ts';
import type { HartRegisters, RegisterValue } from '../worker/questions/registers.ts';
import type { OpenPane, PaneContext, PaneKind } from './pane.ts';

const GROUPS = [
  ['integer', 'Integer registers'],
  ['csrs', 'CSRs'],
  ['float', 'Floating point'],
] as const;

/** Registers and CSRs of a hart, with what changed since the last stop. */
export const registersPane: PaneKind = {
  name: 'registers',
  title: 'Registers',
  about: 'Registers and CSRs of a hart; what changed since the last stop is marked.',
  mount: (host, context) => new RegistersPane(host, context),
};

class RegistersPane implements OpenPane {
  private readonly host: HTMLElement;
  private readonly context: PaneContext;
  private before = new Map<string, bigint>();
  private shownAt = '';
  private changed = new Set<string>();

  constructor(host: HTMLElement, context: PaneContext) {
    this.host = host;
    this.context = context;
  }

  async update({ hart }: Focus): Promise<void> {
    const { at } = this.context.state();
    const now = await this.context.ask('registers', hart);
    const here = `${hart} ${at.instructions} ${at.sequence}`;
    if (here !== this.shownAt) {
      const values = new Map(
        GROUPS.flatMap(([group]) => now[group].map(({ name, value }): [string, bigint] => [name, value])),
      );
      this.changed = new Set(
        [...values]
          .filter(([name, value]) => this.before.has(name) && this.before.get(name) !== value)
          .map(([name]) => name),
      );
      this.before = values;
      this.shownAt = here;
    }
    render(this.view(now), this.host);
  }

  close(): void {
    render(nothing, this.host);
  }

  private view(now: HartRegisters): TemplateResult {
    return html`
      <p class="pane-note">Hart ${now.hart}, ${{ U: 'user mode', S: 'supervisor mode', M: 'machine mode' }[now.privilege] ?? now.privilege}</p>
      ${GROUPS.map(
        ([group, title]) => html`
          <details ?open=${group !== 'float'}>
            <summary>${title}</summary>
            <dl class="registers ${group}">${now[group].map((register) => this.row(register))}</dl>
          </details>`,
      )}`;
  }

  private row({ name, value, symbol }: RegisterValue): TemplateResult {
    const changed = this.changed.has(name);
    const digits = value.toString(16).padStart(16, '0');
    const zeros = /^0*(?=.)/.exec(digits)![0];
    return html`
      <div class=${changed ? 'changed' : ''}>
        <dt>${name}</dt>
        <dd>
          <button class="value" title="Look at this address" @click=${() => this.context.focus.set({ address: value })}
            ><span class="zeros">${zeros}</span>${digits.slice(zeros.length)}</button
          >${symbol === undefined ? nothing : html` <span class="symbol">${symbol}</span>`}
          ${changed ? html`<span class="only-read">changed</span>` : nothing}
        </dd>
      </div>`;
  }
}
