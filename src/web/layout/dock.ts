import { html, render } from 'lit';
import type { Focus } from '../focus/focus.ts';
import { PANES } from '../panes/list.ts';
import type { OpenPane, PaneContext } from '../panes/pane.ts';

/** A pane in its frame. */
interface Docked {
  readonly name: string;
  readonly frame: HTMLElement;
  readonly pane: OpenPane;
  /** It is being updated, and whether it has to be once more afterwards. */
  busy: boolean;
  again: boolean;
}

/** The column of panes: opens, closes, arranges and updates them. */
export class Dock {
  private readonly host: HTMLElement;
  private readonly context: PaneContext;
  private readonly onChange: (names: readonly string[]) => void;
  private docked: Docked[] = [];

  /** @param onChange hears which panes are open, in their order */
  constructor(host: HTMLElement, context: PaneContext, onChange: (names: readonly string[]) => void) {
    this.host = host;
    this.context = context;
    this.onChange = onChange;
  }

  get names(): readonly string[] {
    return this.docked.map(({ name }) => name);
  }

  isOpen(name: string): boolean {
    return this.docked.some((docked) => docked.name === name);
  }

  /** Opens a pane, or brings it into sight. */
  open(name: string): void {
    const known = this.docked.find((docked) => docked.name === name);
    if (known !== undefined) return known.frame.scrollIntoView({ block: 'nearest' });
    const kind = PANES.find((pane) => pane.name === name);
    if (kind === undefined) return;
    const frame = document.createElement('section');
    frame.className = 'pane';
    frame.setAttribute('aria-label', kind.title);
    const body = document.createElement('div');
    body.className = 'pane-body';
    body.tabIndex = 0;
    body.setAttribute('role', 'group');
    body.setAttribute('aria-label', `${kind.title}, contents`);
    const head = document.createElement('header');
    render(
      html`<h2>${kind.title}</h2>
        <button aria-label="Move ${kind.title} up" title="Move up" @click=${() => this.move(name, -1)}>↑</button>
        <button aria-label="Move ${kind.title} down" title="Move down" @click=${() => this.move(name, 1)}>↓</button>
        <button aria-label="Close ${kind.title}" title="Close" @click=${() => this.close(name)}>✕</button>`,
      head,
    );
    frame.append(head, body);
    this.host.append(frame);
    const docked = { name, frame, pane: kind.mount(body, this.context), busy: false, again: false };
    this.docked.push(docked);
    this.changed();
    void this.updateOne(docked);
  }

  close(name: string): void {
    const docked = this.docked.find((known) => known.name === name);
    if (docked === undefined) return;
    docked.pane.close();
    docked.frame.remove();
    this.docked = this.docked.filter((known) => known !== docked);
    this.changed();
  }

  toggle(name: string): void {
    if (this.isOpen(name)) this.close(name);
    else this.open(name);
  }

  /** All panes show what the focus is on. */
  update(): void {
    for (const docked of this.docked) void this.updateOne(docked);
  }

  closeAll(): void {
    for (const { name } of this.docked) this.close(name);
  }

  private async updateOne(docked: Docked): Promise<void> {
    docked.again = docked.busy;
    if (docked.busy) return;
    docked.busy = true;
    try {
      do {
        docked.again = false;
        const focus: Focus = this.context.focus.now;
        await docked.pane.update(focus);
      } while (docked.again && this.docked.includes(docked));
    } catch (error) {
      this.context.say(error instanceof Error ? error.message : String(error));
    } finally {
      docked.busy = false;
    }
  }

  private move(name: string, by: -1 | 1): void {
    const from = this.docked.findIndex((docked) => docked.name === name);
    const to = from + by;
    if (to < 0 || to >= this.docked.length) return;
    const [docked] = this.docked.splice(from, 1);
    this.docked.splice(to, 0, docked);
    for (const { frame } of this.docked) this.host.append(frame);
    this.changed();
  }

  private changed(): void {
    this.onChange(this.names);
    this.host.hidden = this.docked.length === 0;
  }
}
