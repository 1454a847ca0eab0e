import { html, nothing, type TemplateResult } from 'lit';
import { saveFile } from '../app/save-file.ts';
import { openActingDialog } from '../layout/dialog.ts';
import { type KeptFile, listKept, readKept, removeKept } from './kept-files.ts';

const megabytes = (bytes: number): string =>
  bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

const sum = (files: readonly KeptFile[]): number => files.reduce((total, { size }) => total + size, 0);

/**
 * What this browser keeps for the page: to open, take out, or remove.
 * @param open opens a recording
 * @param kept resolves when the recording of this page's machine is kept as it is now
 */
export function openStorageDialog(root: HTMLElement, open: (recording: File) => void, kept: () => Promise<void>): void {
  const fileOf = async ({ folder, name }: KeptFile): Promise<File> => {
    const file = await readKept(folder, name);
    if (file === undefined) throw new Error(`${name} is gone: another tab removed it.`);
    return file;
  };
  const recording = (kept: KeptFile): TemplateResult => html`
    <tr>
      <td>${kept.name}</td>
      <td class="number">${megabytes(kept.size)}</td>
      <td>${new Date(kept.modified).toLocaleString()}</td>
      <td class="actions">
        <button @click=${() =>
          dialog.act(async () => {
            open(await fileOf(kept));
            dialog.close();
          })}>Open</button>
        <button aria-label="Download ${kept.name}" @click=${() => dialog.act(async () => saveFile(await fileOf(kept), kept.name))}>Download</button>
        <button aria-label="Remove ${kept.name}" @click=${() => dialog.act(() => removeKept(kept.folder, kept.name))}>Remove</button>
      </td>
    </tr>`;
  /** Files that can be had again, as one. */
  const group = (name: string, files: readonly KeptFile[]): TemplateResult | typeof nothing =>
    files.length === 0
      ? nothing
      : html`<tr>
          <td>${name} <span class="note">(${files.length === 1 ? '1 file' : `${files.length} files`})</span></td>
          <td class="number">${megabytes(sum(files))}</td>
          <td>${new Date(Math.max(...files.map(({ modified }) => modified))).toLocaleString()}</td>
          <td class="actions">
            <button aria-label="Remove ${name}" @click=${() =>
              dialog.act(async () => {
                for (const file of files) await removeKept(file.folder, file.name);
              })}>Remove</button>
          </td>
        </tr>`;
  const contents = async (): Promise<TemplateResult> => {
    try {
      await kept();
      const files = await listKept();
      const of = (folder: KeptFile['folder']): readonly KeptFile[] => files.filter((file) => file.folder === folder);
      const { usage = 0, quota = 0 } = await navigator.storage.estimate();
      return html`
        <p>The recording of each machine is kept while it runs: a tab that is closed, or killed, loses nothing.</p>
        ${
          files.length === 0
            ? html`<p>Nothing is kept.</p>`
            : html`<table>
                <thead><tr><th>What</th><th class="number">Size</th><th>Written</th><th><span class="only-read">Actions</span></th></tr></thead>
                <tbody>
                  ${of('recordings').map(recording)}
                  ${group('Lanes and checkpoints of recordings', of('lanes'))}
                  ${group("The guest's files", of('images'))}
                </tbody>
              </table>`
        }
        <p class="note">Lanes and checkpoints are made again, and the guest’s files fetched again, when they are missing. ${megabytes(usage)} of ${megabytes(quota)} are used.</p>`;
    } catch {
      return html`<p>This browser keeps no files for this page: it has no origin private file system here, as in private windows and on pages without
        https. The guest is fetched at every visit, and recordings are lost with the tab unless they are saved with “Share”.</p>`;
    }
  };
  const dialog = openActingDialog(root, 'Kept in this browser', contents);
}
