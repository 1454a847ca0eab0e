import { html, nothing, render, type TemplateResult } from 'lit';
import { messageOf } from '../app/message.ts';

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

/** A dialog whose contents change with what is done in it. */
export interface ActingDialog {
  /** Does something and shows the contents as they are then, with what went wrong. @param done says that it was done */
  act(what: () => Promise<void>, done?: string): Promise<void>;
  close(): void;
}

/** Opens a dialog. @param contents gives what is in it; called after every action */
export function openActingDialog(
  root: HTMLElement,
  title: string,
  contents: () => TemplateResult | Promise<TemplateResult>,
): ActingDialog {
  const dialog = openDialog(root, title);
  const show = async (note: TemplateResult | typeof nothing): Promise<void> =>
    dialog.show(html`${await contents()}${note}`);
  void show(nothing);
  return {
    close: dialog.close,
    async act(what, done = '') {
      let note = done === '' ? nothing : html`<p role="status">${done}</p>`;
      try {
        await what();
      } catch (error) {
        note = html`<p role="alert">${messageOf(error)}</p>`;
      }
      await show(note);
    },
  };
}
