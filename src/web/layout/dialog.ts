import { html, render, type TemplateResult } from 'lit';

/** A dialog of the page that is open. */
export interface OpenDialog {
  /** Shows something else in it. */
  show(contents: TemplateResult): void;
  close(): void;
}

/** Opens a modal dialog; Escape and its button close it. */
export function openDialog(root: HTMLElement, title: string): OpenDialog {
  const dialog = document.createElement('dialog');
  dialog.setAttribute('aria-label', title);
  root.append(dialog);
  dialog.addEventListener('close', () => dialog.remove());
  const close = (): void => dialog.close();
  const show = (contents: TemplateResult): void => {
    render(
      html`<header><h2>${title}</h2><button aria-label="Close" @click=${close}>✕</button></header>
        <div class="dialog-body">${contents}</div>`,
      dialog,
    );
  };
  show(html``);
  dialog.showModal();
  return { show, close };
}
