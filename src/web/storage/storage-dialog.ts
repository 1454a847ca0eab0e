import { html, nothing, type TemplateResult } from 'lit';
import { saveFile } from '../app/save-file.ts';
import { openDialog } from '../layout/dialog.ts';
import { type KeptFile, listKept, readKept, removeKept } from './kept-files.ts';

const megabytes = (bytes: number): string =>
  bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

/** What this browser keeps for the page: to open, take out, or remove. @param open opens a recording */
export function openStorageDialog(root: HTMLElement, open: (recording: File) => void): void {
  const dialog = openDialog(root, 'Kept in this browser');
  let note = '';
  const act = async (what: () => Promise<void>): Promise<void> => {
    try {
      note = '';
      await what();
    } catch (error) {
      note = error instanceof Error ? error.message : String(error);
    }
    await show();
  };
  const fileOf = async ({ folder, name }: KeptFile): Promise<File> => {
    const file = await readKept(folder, name);
    if (file === undefined) throw new Error(`${name} is gone: another tab removed it.`);
    return file;
  };
  const row = (kept: KeptFile): TemplateResult => html`
    <tr>
      <td>${kept.folder === 'recordings' ? kept.name : html`Guest file <code>${kept.name.slice(0, 12)}…</code>`}</td>
      <td class="number">${megabytes(kept.size)}</td>
      <td>${new Date(kept.modified).toLocaleString()}</td>
      <td>
        ${
          kept.folder === 'recordings'
            ? html`<button @click=${() =>
                act(async () => {
                  open(await fileOf(kept));
                  dialog.close();
                })}>Open</button>`
            : nothing
        }
        <button aria-label="Download ${kept.name}" @click=${() => act(async () => saveFile(await fileOf(kept), kept.name))}>Download</button>
        <button aria-label="Remove ${kept.name}" @click=${() => act(() => removeKept(kept.folder, kept.name))}>Remove</button>
      </td>
    </tr>`;
  const show = async (): Promise<void> => {
    let contents: TemplateResult;
    try {
      const kept = await listKept();
      const { usage = 0, quota = 0 } = await navigator.storage.estimate();
      contents = html`
        <p>Guest files are fetched again when they are removed. A recording of each machine is kept while it runs: a tab that is closed loses nothing.</p>
        ${
          kept.length === 0
            ? html`<p>Nothing is kept.</p>`
            : html`<table>
                <thead><tr><th>What</th><th>Size</th><th>Written</th><th>Actions</th></tr></thead>
                <tbody>${kept.map(row)}</tbody>
              </table>`
        }
        <p>${megabytes(usage)} of ${megabytes(quota)} that this browser gives are used.</p>`;
    } catch {
      contents = html`<p>This browser keeps no files for this page: it has no origin private file system here, as in private windows and on pages without
        https. The guest is fetched at every visit, and recordings are lost with the tab unless they are saved with “Share”.</p>`;
    }
    dialog.show(html`${contents}${note === '' ? nothing : html`<p role="alert">${note}</p>`}`);
  };
  void show();
}
