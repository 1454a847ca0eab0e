import { transfer } from 'comlink';
import { type FoundFiles, fetchGuest, findFiles, readManifest } from '../guest/fetch-guest.ts';
import { Autosave } from '../storage/autosave.ts';
import { keepLanes, readLanes } from '../storage/kept-lanes.ts';
import type { News, RecordingFile, StartFiles } from '../worker/protocol.ts';
import type { MachineClient } from './machine-client.ts';
import { messageOf } from './message.ts';
import type { PageModel } from './model.ts';
import type { Terminals } from './terminals.ts';

/** Memory of files that goes over to the worker. */
const buffersOf = ({ kernel, initrd, start, bases }: StartFiles): ArrayBuffer[] =>
  [kernel, initrd, start, ...bases].map(({ bytes }) => bytes.buffer as ArrayBuffer);

/** What opening needs of the page. */
export interface PageOpeningActions {
  newWorker(onNews: (news: News) => void): MachineClient;
  /** Something happened in a replay beside the machine that is shown. */
  onIndexNews(news: News): void;
  /** The machine's state, its lanes or its history are others. */
  changed(): void;
}

/** Starts the guest, or opens a recording, and keeps what happens in the browser's storage. */
export class PageOpening {
  private readonly model: PageModel;
  private readonly client: MachineClient;
  private readonly terminals: Terminals;
  private readonly actions: PageOpeningActions;
  private indexer: MachineClient | undefined;
  private indexing: Promise<void> | undefined;
  private autosave: Autosave | undefined;

  constructor(model: PageModel, client: MachineClient, terminals: Terminals, actions: PageOpeningActions) {
    this.model = model;
    this.client = client;
    this.terminals = terminals;
    this.actions = actions;
  }

  /** What the page was opened for. */
  async begin(): Promise<void> {
    const { options, recordingAddress: address } = this.model;
    const manifest = readManifest(this.folder);
    // Without recordings to choose from, and said by whoever needs the guest.
    manifest.then(
      ({ recordings = [] }) => this.model.view.set({ recordings }),
      () => undefined,
    );
    if (address !== undefined) await this.openRecording({ url: new URL(address, location.href).href }, address);
    else if (options.recording instanceof File) await this.openRecording(options.recording, options.recording.name);
    else await this.startGuest(await manifest);
  }

  /** Something entered the machine that is worth keeping. */
  recordingChanged(): void {
    this.autosave?.changed();
  }

  /** Resolves when what has entered the machine is kept. */
  async kept(): Promise<void> {
    await this.autosave?.save();
  }

  /** Keeps what happens from now on in the browser's storage. */
  keepRecording(): void {
    this.autosave?.close();
    // Two tabs may begin in the same second.
    const [tab] = crypto.getRandomValues(new Uint16Array(1));
    const time = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
    const name = `${time}-${tab.toString(16).padStart(4, '0')}.hsr`;
    this.autosave = new Autosave(
      name,
      () => this.client.remote.recording(this.model.notes, false),
      (error) =>
        this.model.say(
          `The recording is no longer kept in this browser: ${messageOf(error)} Save it with "Share", or make room under "Storage".`,
        ),
    );
  }

  /** Resolves when the lanes and the console of the recording that is open are whole. */
  async indexed(): Promise<void> {
    await this.indexing;
  }

  stopKeeping(): void {
    this.autosave?.close();
    this.autosave = undefined;
  }

  close(): void {
    this.stopKeeping();
    this.indexer?.close();
  }

  private get folder(): string {
    return new URL('guest/', this.model.options.base).href;
  }

  private readonly onDownload = (done: number, total: number): void => {
    const text = `Fetching the machine's files, once: ${(done / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`;
    this.model.view.set({ loading: { text, part: done / Math.max(1, total) } });
  };

  private async startGuest(manifest: Awaited<ReturnType<typeof readManifest>>): Promise<void> {
    const files = await fetchGuest(this.folder, manifest, this.onDownload);
    this.model.view.set({ loading: { text: 'Starting the machine …' } });
    const state = await this.client.remote.start(transfer(files, buffersOf(files)), this.terminals.live.size);
    this.model.view.set({ loading: undefined, state });
    this.keepRecording();
    // Keys go to the machine, unless somebody has begun to use something else meanwhile.
    if (document.activeElement === document.body) this.terminals.live.focus();
  }

  private async openRecording(file: RecordingFile, name: string): Promise<void> {
    const { view } = this.model;
    view.set({ loading: { text: `Opening ${name} …` } });
    const facts = await this.client.remote.inspect(file);
    const [found, lanes] = await Promise.all([
      findFiles(this.folder, facts.wanted, this.onDownload),
      readLanes(facts.id, facts.size),
    ]);
    const state = await this.client.remote.open(found.files, found.disks);
    this.model.addMarks(facts.marks.map(({ at, time, note }) => ({ instructions: at.instructions, time, note })));
    if (lanes !== undefined) {
      ({ history: this.model.history, lanes: this.model.lanes } = lanes);
      if (lanes.checkpoints !== undefined) await this.client.remote.adopt(lanes.checkpoints);
    }
    view.set({
      loading: undefined,
      state,
      recording: decodeURIComponent(name.split('/').at(-1)!),
      ...(facts.whole && {
        message: `The server has no ranges (RFC 9110): all ${Math.ceil(facts.size / 1e6)} MB of the recording were fetched at once. With ranges it opens at once, however long it is.`,
      }),
      ...(facts.damage !== undefined && {
        message: `${name} is damaged at its end: ${facts.damage}. What comes before is whole and can be gone to.`,
      }),
    });
    this.actions.changed();
    if (lanes === undefined) this.indexing = this.makeIndex(file, found, facts);
  }

  /** Lanes and console of a recording, by replaying it beside the machine that is looked at. They are kept for the next time. */
  private async makeIndex(
    file: RecordingFile,
    { files, disks }: FoundFiles,
    { id, size }: { readonly id: string; readonly size: number },
  ): Promise<void> {
    const { view, history, lanes } = this.model;
    let checkpoints: Blob | undefined;
    const indexer = this.actions.newWorker((news) => {
      if (news.kind !== 'checkpoints') return this.actions.onIndexNews(news);
      checkpoints = news.file;
      // Landings are near to one of them from now on.
      this.client.remote.adopt(checkpoints).catch((error: unknown) => this.model.fail(error));
    });
    this.indexer = indexer;
    view.set({ indexed: 0 });
    try {
      await indexer.remote.inspect(file);
      await indexer.remote.index(files, disks);
      await keepLanes(id, size, { history, lanes, checkpoints });
    } catch (error) {
      this.model.fail(error);
    } finally {
      view.set({ indexed: undefined });
      indexer.close();
      this.indexer = undefined;
      this.actions.changed();
    }
  }
}
