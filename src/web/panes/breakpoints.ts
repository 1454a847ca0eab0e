import { html, nothing, render, type TemplateResult } from 'lit';
import type { PlaceSearch } from '../worker/protocol.ts';
import type { OpenPane, PaneContext, PaneKind } from './pane.ts';

type Kind = PlaceSearch['kind'];
type Point = Pick<PlaceSearch, 'kind' | 'place' | 'length' | 'when'>;

const KINDS: readonly (readonly [Kind, string])[] = [
  ['execute', 'executes'],
  ['write', 'writes to'],
  ['read', 'reads from'],
  ['access', 'reads or writes'],
];
const LENGTHS = [1, 2, 4, 8];
const EMPTY = 'None yet. Try the function do_exit: it is reached whenever a process ends.';

/** Breakpoints and watchpoints, to go back and forward to. */
export const breakpointsPane: PaneKind = {
  name: 'breakpoints',
  title: 'Breakpoints',
  about: 'Goes back or forward to where a function is reached, or memory is read or written.',
  mount: (host, context) => new BreakpointsPane(host, context),
};

class BreakpointsPane implements OpenPane {
  private readonly host: HTMLElement;
  private readonly context: PaneContext;
  private points: readonly Point[] = [];
  private kind: Kind = 'execute';
  private said = '';

  constructor(host: HTMLElement, context: PaneContext) {
    this.host = host;
    this.context = context;
  }

  update(): void {
    render(this.view(), this.host);
  }

  close(): void {
    render(nothing, this.host);
  }

  private view(): TemplateResult {
    return html`
      <form class="pane-form" @submit=${this.add}>
        <label>Stop where the guest
          <select name="kind" @change=${this.choose}>
            ${KINDS.map(([kind, text]) => html`<option value=${kind} ?selected=${kind === this.kind}>${text}</option>`)}
          </select>
        </label>
        <label><span class="only-read">Place</span><input name="place" required placeholder="symbol or address" autocomplete="off" spellcheck="false" /></label>
        ${
          this.kind === 'execute'
            ? nothing
            : html`<label>bytes <select name="length">${LENGTHS.map((n) => html`<option ?selected=${n === 8}>${n}</option>`)}</select></label>`
        }
        <label>if <input name="when" placeholder="always, or a0 == 3" autocomplete="off" spellcheck="false" /></label>
        <button>Add</button>
      </form>
      <p class="pane-note" role="status">${this.said === '' && this.points.length === 0 ? EMPTY : this.said}</p>
      <ul class="points">${this.points.map((point) => this.row(point))}</ul>`;
  }

  private row(point: Point): TemplateResult {
    const verb = KINDS.find(([kind]) => kind === point.kind)![1];
    const name = `${verb} ${point.place}`;
    return html`
      <li>
        <button aria-label="Back to where it ${name}" title="Back to the last time" @click=${() => this.go(point, -1)}>◂</button>
        <button aria-label="Forward to where it ${name}" title="Forward to the next time" @click=${() => this.go(point, 1)}>▸</button>
        <span class="what"><span class="symbol">${verb}</span> ${point.place}${point.kind === 'execute' ? '' : ` (${point.length})`}${point.when === '' ? '' : ` if ${point.when}`}</span>
        <button aria-label="Remove ${name}" title="Remove" @click=${() => this.remove(point)}>✕</button>
      </li>`;
  }

  private readonly choose = (event: Event): void => {
    this.kind = (event.target as HTMLSelectElement).value as Kind;
    this.update();
  };

  private readonly add = (event: Event): void => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const fields = new FormData(form);
    const text = (name: string): string => String(fields.get(name) ?? '').trim();
    this.points = [
      ...this.points,
      { kind: this.kind, place: text('place'), length: Number(text('length') || 8), when: text('when') },
    ];
    form.reset();
    this.kind = 'execute';
    this.update();
  };

  private remove(point: Point): void {
    this.points = this.points.filter((other) => other !== point);
    this.update();
  }

  private go(point: Point, direction: 1 | -1): void {
    const { hart } = this.context.focus.now;
    this.said = '';
    void this.context.move(async (machine) => {
      const { reason } = await machine.goToPlace({ ...point, direction, hart });
      if (reason === 'hit') return;
      const where = direction > 0 ? 'from there to the end' : 'from there back to the beginning';
      this.said = reason === 'interrupted' ? 'The search was interrupted.' : `It was not met ${where}.`;
      this.update();
    });
  }
}
