import { App } from '../app/app.ts';
import type { AppOptions } from '../app/options.ts';
import type { MachineState } from '../worker/protocol.ts';

/**
 * `<hindsight-machine>`: a machine with its terminal, timeline and panes. Needs the page's style sheet, and beside its script `worker.js` and the folder
 * `guest/`, as `hindsight web --site` writes them.
 *
 * Attributes, read when it is put into a document: `base` address of the folder with these files, if not that of the script · `recording` address of a
 * recording to open instead of a live machine · `at` instant to go to · `panes` names of panes, separated by commas · `own-address` the page's address
 * holds the view, and what it says comes before the attributes.
 *
 * Events: `hindsight-state` whenever the machine is elsewhere, `detail` a {@link MachineState}; `hindsight-error`, `detail` a sentence for people.
 */
export class HindsightMachine extends HTMLElement {
  private app: App | undefined;

  connectedCallback(): void {
    this.open();
  }

  disconnectedCallback(): void {
    this.app?.close();
    this.app = undefined;
    this.replaceChildren();
  }

  /** Hash of the machine's state where it is. @throws Error while there is no machine, or it runs */
  async hash(): Promise<string> {
    if (this.app === undefined) throw new Error('<hindsight-machine> is not in a document');
    return this.app.hash();
  }

  private open(recording?: AppOptions['recording']): void {
    this.app?.close();
    this.replaceChildren();
    const root = document.createElement('div');
    root.className = 'hindsight';
    this.append(root);
    const base = this.getAttribute('base');
    const view = new URLSearchParams();
    for (const [attribute, field] of [
      ['recording', 'rec'],
      ['at', 'at'],
      ['panes', 'panes'],
    ] as const) {
      const value = this.getAttribute(attribute);
      if (value !== null) view.set(field, value);
    }
    this.app = new App(root, {
      base: base === null ? new URL('.', import.meta.url).href : new URL(base, document.baseURI).href,
      ownsAddress: this.hasAttribute('own-address'),
      view: view.toString(),
      reopen: (chosen) => this.open(chosen),
      tell: (kind, detail) => this.dispatchEvent(new CustomEvent(`hindsight-${kind}`, { detail, bubbles: true })),
      ...(recording && { recording }),
    });
  }
}

declare global {
  interface HTMLElementEventMap {
    'hindsight-state': CustomEvent<MachineState>;
    'hindsight-error': CustomEvent<string>;
  }
  interface HTMLElementTagNameMap {
    'hindsight-machine': HindsightMachine;
  }
}
