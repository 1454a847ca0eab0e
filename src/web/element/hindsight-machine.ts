import { App } from '../app/app.ts';

/**
 * `<hindsight-machine>`: a machine with its terminal, timeline and panes.
 *
 * Attributes: `base` address of the folder with worker.js and guest/, by default that of this script · `own-address` the page's address holds the view.
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

  private open(recording?: File): void {
    this.app?.close();
    this.replaceChildren();
    const root = document.createElement('div');
    root.className = 'hindsight';
    this.append(root);
    const base = new URL(this.getAttribute('base') ?? '.', import.meta.url).href;
    this.app = new App(root, {
      base,
      ownsAddress: this.hasAttribute('own-address'),
      reopen: (file) => this.open(file),
      ...(recording && { recording }),
    });
  }
}
