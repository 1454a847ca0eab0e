import { openFilesDialog } from '../guest/files-dialog.ts';
import type { MachineClient } from './machine-client.ts';
import type { PageModel } from './model.ts';

/** Files that come in: recordings are opened, others go into the guest. */
export class IncomingFiles {
  private readonly root: HTMLElement;
  private readonly model: PageModel;
  private readonly client: MachineClient;

  constructor(root: HTMLElement, input: HTMLInputElement, model: PageModel, client: MachineClient) {
    this.root = root;
    this.model = model;
    this.client = client;
    input.addEventListener('change', () => {
      const file = input.files?.[0];
      // So that the same file can be chosen again.
      input.value = '';
      if (file !== undefined) this.take([file]);
    });
    root.addEventListener('dragover', (event) => {
      event.preventDefault();
      root.classList.add('dropping');
    });
    root.addEventListener('dragleave', () => root.classList.remove('dropping'));
    root.addEventListener('drop', (event) => {
      event.preventDefault();
      root.classList.remove('dropping');
      this.take([...(event.dataTransfer?.files ?? [])]);
    });
  }

  /** Shows folders of the guest. */
  open(): void {
    const { remote } = this.client;
    openFilesDialog(this.root, {
      list: (folder) => remote.listFiles(folder),
      get: (path) => remote.getFile(path),
      put: (path, contents) => remote.putFile(path, contents),
    });
  }

  private take(files: readonly File[]): void {
    const recording = files.find(({ name }) => name.endsWith('.hsr'));
    if (recording !== undefined) return this.model.options.reopen(recording);
    if (files.length > 0) this.put(files).catch((error: unknown) => this.model.fail(error));
  }

  private async put(files: readonly File[]): Promise<void> {
    const names = files.map(({ name }) => name).join(', ');
    if (this.model.state === undefined)
      throw new Error(`There is no machine to take ${names}. A recording to open ends in .hsr.`);
    this.model.say(`${names}: going into the guest …`);
    for (const file of files)
      await this.client.remote.putFile(`/root/${file.name}`, new Uint8Array(await file.arrayBuffer()));
    this.model.say(
      files.length === 1 ? `${names} is in the guest at /root/${names}.` : `In the guest's /root: ${names}.`,
    );
  }
}
