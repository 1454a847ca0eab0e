import { html, nothing, render, type TemplateResult } from 'lit';
import type { Focus } from '../focus/focus.ts';
import type { ProcessInTree } from '../worker/questions/processes.ts';
import type { OpenPane, PaneContext, PaneKind } from './pane.ts';

const STATES: Readonly<Record<string, string>> = {
  R: 'can run',
  S: 'sleeps',
  D: 'waits for a device',
  T: 'stopped',
  t: 'traced',
  I: 'idle',
  Z: 'ended, not yet waited for',
  X: 'ended',
};

/** The processes of the guest. */
export const processesPane: PaneKind = {
  name: 'processes',
  title: 'Processes',
  about: "The processes of the guest's Linux here, as a tree; choosing one puts the focus on it.",
  mount: (host, context) => new ProcessesPane(host, context),
};

class ProcessesPane implements OpenPane {
  private readonly host: HTMLElement;
  private readonly context: PaneContext;
  private showsKernel = false;

  constructor(host: HTMLElement, context: PaneContext) {
    this.host = host;
    this.context = context;
  }

  async update({ process }: Focus): Promise<void> {
    render(this.view(await this.context.ask('processes'), process), this.host);
  }

  close(): void {
    render(nothing, this.host);
  }

  private view(processes: readonly ProcessInTree[] | undefined, chosen: number | undefined): TemplateResult {
    if (processes === undefined) return html`<p class="pane-note">No Linux kernel is up at this instant.</p>`;
    const shown = processes.filter(({ ofKernel }) => this.showsKernel || !ofKernel);
    return html`
      <p class="pane-note">
        <label><input type="checkbox" .checked=${this.showsKernel} @change=${this.toggleKernel} /> the kernel's own threads</label>
        ${
          chosen === undefined
            ? nothing
            : html`<button @click=${() => this.context.focus.set({ process: undefined })}>Follow the hart instead</button>`
        }
      </p>
      <table class="table">
        <thead><tr><th scope="col" class="number">PID</th><th scope="col">Name</th><th scope="col">State</th></tr></thead>
        <tbody>${shown.map((process) => this.row(process, process.pid === chosen))}</tbody>
      </table>`;
  }

  private readonly toggleKernel = (event: Event): void => {
    this.showsKernel = (event.target as HTMLInputElement).checked;
    void this.update(this.context.focus.now);
  };

  private row({ pid, name, state, hart, ofKernel, depth }: ProcessInTree, chosen: boolean): TemplateResult {
    return html`
      <tr aria-current=${chosen ? 'true' : nothing}>
        <td class="number">${pid}</td>
        <td style=${`padding-left: ${Math.min(depth, 12) * 14 + 6}px`}>
          <button class="value" title="Put the focus on this process" @click=${() => this.context.focus.set({ process: pid })}>${ofKernel ? `[${name}]` : name}</button>
        </td>
        <td>${hart === undefined ? (STATES[state] ?? state) : html`<strong>runs on hart ${hart}</strong>`}</td>
      </tr>`;
  }
}
