import { html, type TemplateResult } from 'lit';
import { openActingDialog } from '../layout/dialog.ts';

/** What sharing needs. */
export interface ShareChoices {
  /** Address of the page that shows what is seen now; undefined while the recording is nowhere but here. */
  readonly link: string | undefined;
  /** The recording as a file. @param embed with the machine's files in it */
  readonly save: (embed: boolean) => Promise<void>;
}

/** Ways to hand on what is seen: a link to it, or a file. */
export function openShareDialog(root: HTMLElement, { link, save }: ShareChoices): void {
  const view = (): TemplateResult => html`
    ${
      link === undefined
        ? html`<p>What happened here is in this browser only. Save it as a recording; anyone can drop it into a page like this one. To
            have a link, put the file on a web server and open this page with <code>#rec=</code> and its address.</p>`
        : html`<p>This link opens the recording at this instant, with the marks and panes that are open now.</p>
            <p class="field">
              <input readonly aria-label="Link" .value=${link} @focus=${(event: Event) => (event.target as HTMLInputElement).select()} />
              <button class="primary" @click=${() => dialog.act(() => navigator.clipboard.writeText(link), 'The link is in the clipboard.')}>Copy link</button>
            </p>`
    }
    <p class="field">
      <button class=${link === undefined ? 'primary' : ''} @click=${() => dialog.act(() => save(false), 'Saved: it opens on pages with the same guest, and with “hindsight replay” where that guest is.')}>Save recording</button>
      <span>Small: what entered the machine, and the marks. The guest's files are named by their hashes.</span>
    </p>
    <p class="field">
      <button @click=${() => dialog.act(() => save(true), 'Saved with all its files: it opens anywhere.')}>Save with its files</button>
      <span>Large: with kernel, initramfs and snapshot inside, for those who have none of them.</span>
    </p>`;
  const dialog = openActingDialog(root, 'Share', view);
}
