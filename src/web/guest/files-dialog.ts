import { html, nothing, type TemplateResult } from 'lit';
import { messageOf } from '../app/message.ts';
import { saveFile } from '../app/save-file.ts';
import { openActingDialog } from '../layout/dialog.ts';
import type { FolderEntry } from '../worker/protocol.ts';

/** Files of the live guest. */
export interface GuestFolders {
  list(folder: string): Promise<readonly FolderEntry[]>;
  get(path: string): Promise<Uint8Array>;
  put(path: string, contents: Uint8Array): Promise<void>;
}

const joined = (folder: string, name: string): string => `${folder === '/' ? '' : folder}/${name}`;
const parentOf = (folder: string): string => folder.slice(0, folder.lastIndexOf('/')) || '/';

/** Shows folders of the guest; files go out by a click, and in by a choice or a drop. */
export function openFilesDialog(root: HTMLElement, access: GuestFolders, start = '/root'): void {
  let folder = start;
  const go = (to: string): Promise<void> =>
    dialog.act(async () => {
      folder = to;
    });
  const put = (files: FileList | null): Promise<void> =>
    dialog.act(async () => {
      for (const file of files ?? [])
        await access.put(joined(folder, file.name), new Uint8Array(await file.arrayBuffer()));
    });
  const row = ({ name, kind, size }: FolderEntry): TemplateResult => {
    const path = joined(folder, name);
    if (kind === 'directory') return html`<li><button @click=${() => go(path)}>${name}/</button></li>`;
    if (kind !== 'file') return html`<li><span>${name}</span> <span class="note">${kind}</span></li>`;
    const save = async (): Promise<void> => saveFile(new Blob([(await access.get(path)).slice()]), name);
    return html`<li><button title="Download" @click=${() => dialog.act(save)}>${name}</button> <span class="note">${size} bytes</span></li>`;
  };
  const list = async (): Promise<TemplateResult> => {
    try {
      const files = await access.list(folder);
      return html`<ul class="files">${files.length === 0 ? html`<li class="note">This folder is empty.</li>` : files.map(row)}</ul>`;
    } catch (error) {
      return html`<p role="alert">${messageOf(error)}</p>`;
    }
  };
  const dialog = openActingDialog(
    root,
    'Files of the guest',
    async () => html`
      <p class="field">
        <code>${folder}</code>
        ${folder === '/' ? nothing : html`<button @click=${() => go(parentOf(folder))}>Up</button>`}
        <label class="pick">Put files here
          <input type="file" multiple @change=${(event: Event) => put((event.target as HTMLInputElement).files)} />
        </label>
      </p>
      ${await list()}
      <p class="note">A file that is dropped on the page goes to /root.</p>`,
  );
}
