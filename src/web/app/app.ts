import { transfer } from 'comlink';
import { render } from 'lit';
import type { NotedInstant } from '../../record/format.ts';
import { type Mark, readAddress, writeAddress } from '../focus/address-bar.ts';
import { type Focus, NO_FOCUS } from '../focus/focus.ts';
import { Store } from '../focus/store.ts';
import { type FoundFiles, fetchGuest, findFiles, readManifest } from '../guest/fetch-guest.ts';
import { openFilesDialog } from '../guest/files-dialog.ts';
import { Dock } from '../layout/dock.ts';
import { type ShellActions, type ShellView, shell } from '../layout/shell.ts';
import { splitter } from '../layout/splitter.ts';
import type { PaneContext } from '../panes/pane.ts';
import { openShareDialog } from '../share/share-dialog.ts';
import { Autosave } from '../storage/autosave.ts';
import { openStorageDialog } from '../storage/storage-dialog.ts';
import { findBar } from '../terminal/find-bar.ts';
import { ConsoleHistory } from '../terminal/history.ts';
import { LiveTerminal } from '../terminal/live-terminal.ts';
import { PastTerminal } from '../terminal/past-terminal.ts';
import type { Future, PlaceInTime } from '../timeline/futures.ts';
import { LaneData } from '../timeline/lane-data.ts';
import { Player } from '../timeline/player.ts';
import { TimelineView } from '../timeline/timeline-view.ts';
import type { MachineState, News, RecordingFile, StartFiles } from '../worker/protocol.ts';
import type { QuestionName } from '../worker/questions/index.ts';
import { MachineClient } from './machine-client.ts';
import { saveFile } from './save-file.ts';

/** Memory of files that goes over to the worker. */
const buffersOf = ({ kernel, initrd, start, bases }: StartFiles): ArrayBuffer[] =>
  [kernel, initrd, start, ...bases].map(({ bytes }) => bytes.buffer as ArrayBuffer);

/** The view to begin with. A recording that was brought is looked at from its beginning. */
function addressOf({ ownsAddress, recording, view }: AppOptions): string {
  if (recording !== undefined) return '';
  return ownsAddress && location.hash.length > 1 ? location.hash : view;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What the page is to show. */
export interface AppOptions {
  /** Address of the folder with the page's scripts and its guest, ending in `/`. */
  readonly base: string;
  /** Whether the page's address holds the view. */
  readonly ownsAddress: boolean;
  /** What to show where the page's address does not say, in its form. */
  readonly view: string;
  /** Hears where the machine is, and what went wrong. */
  readonly tell: (kind: 'state' | 'error', detail: unknown) => void;
  /** A recording to open, in place of the one that the page's address names. */
  readonly recording?: File;
  /** The user brought another recording: close this one and open that. */
  readonly reopen: (recording: File) => void;
}

const FIRST_FONT_SIZE = 14;
const [SMALLEST_FONT, LARGEST_FONT] = [8, 32];
const LEAST_DOCK = 240;
const LEAST_TIMELINE = 110;
/** Milliseconds between updates of panes while the machine runs. */
const PANES_EVERY = 500;

/** The page: one machine, its terminal, its timeline, its panes. */
export class App {
  private readonly root: HTMLElement;
  private readonly options: AppOptions;
  private history = new ConsoleHistory();
  private lanes = new LaneData();
  private futures: readonly Future[] = [];
  private futuresMade = 0;
  private readonly focus: Store<Focus>;
  private readonly view = new Store<ShellView>({
    loading: { text: 'Starting …' },
    message: undefined,
    state: undefined,
    mips: undefined,
    recording: undefined,
    openPanes: [],
    futures: [],
    axis: 'time',
    playing: false,
    speed: 1,
    busy: false,
    indexed: undefined,
  });
  private readonly client: MachineClient;
  private readonly live: LiveTerminal;
  private readonly past: PastTerminal;
  private readonly timeline: TimelineView;
  private readonly dock: Dock;
  private readonly player: Player;
  private readonly actions: ShellActions = {
    togglePane: (name) => this.dock.toggle(name),
    closeMessage: () => this.view.set({ message: undefined }),
    step: (kind, direction) => void this.step(kind, direction),
    togglePlay: () => this.player.toggle(this.view.now.speed),
    setSpeed: (speed) => this.setSpeed(speed),
    mark: () => this.mark(),
    goLive: () => void this.move((machine) => machine.goLive()),
    resumeHere: () => void this.move(() => this.resumeHere()),
    goToFuture: (index) => void this.move(() => this.goToFuture(this.futures[index])),
    pause: () => void this.move((machine) => machine.pause()),
    zoom: (factor) => this.timeline.zoom(factor),
    showAll: () => this.timeline.showAll(),
    setAxis: (axis) => this.setAxis(axis),
    find: () => this.find(),
    fontSize: (by) => this.changeFontSize(by),
    share: () => this.share(),
    files: () => this.openFiles(),
    storage: () => openStorageDialog(this.root, this.options.reopen),
    openFile: () => this.root.querySelector<HTMLInputElement>('#file-input')?.click(),
    type: (text) => this.type(text),
  };
  private fontSize = FIRST_FONT_SIZE;
  private marks: readonly Mark[] = [];
  private recordingAddress: string | undefined;
  private indexer: MachineClient | undefined;
  private measured: { readonly instructions: number; readonly at: number } | undefined;
  private panesAt = 0;
  private autosave: Autosave | undefined;

  constructor(root: HTMLElement, options: AppOptions) {
    this.root = root;
    this.options = options;
    const address = readAddress(addressOf(options));
    this.focus = new Store<Focus>({ ...NO_FOCUS, ...address.focus });
    this.marks = address.marks;
    this.recordingAddress = address.recording;
    this.view.listen(() => this.render());
    this.render();
    this.client = this.newWorker((news) => this.onNews(news));
    this.live = new LiveTerminal(
      this.element('live-terminal'),
      {
        typed: (data) => this.type(data),
        resized: (columns, rows) => void (this.view.now.state && this.client.remote.resize(columns, rows)),
      },
      this.fontSize,
    );
    this.past = new PastTerminal(this.element('past-terminal'), this.history, this.fontSize, (offset) => {
      const instructions = this.history.instructionsAt(offset) + 1;
      void this.move((machine) => machine.seek({ instructions, sequence: 0 }));
    });
    this.timeline = new TimelineView(this.element('lanes') as HTMLCanvasElement, this.lanes, this.history, {
      preview: (place) => this.preview(place),
      land: (place) => void this.land(place),
      key: (event) => this.onTimelineKey(event),
    });
    this.player = new Player({
      time: () => this.view.now.state?.time ?? 0,
      end: () => this.view.now.state?.endTime ?? 0,
      show: (time) => this.seekTime(time),
      changed: (playing) => this.view.set({ playing }),
    });
    this.dock = new Dock(
      this.element('dock'),
      {
        ask: ((...asked: [QuestionName]) => this.client.remote.ask(...asked)) as PaneContext['ask'],
        focus: this.focus,
        state: () => this.view.now.state!,
        move: (act) => this.move(act),
        open: (name) => this.dock.open(name),
        say: (message) => this.say(message),
      },
      (openPanes) => {
        this.view.set({ openPanes });
        this.writeAddress();
      },
    );
    this.focus.listen((now, before) => this.onFocus(now, before));
    this.layOut();
    this.listenToFiles();
    this.begin(address.panes ?? []).catch((error: unknown) => this.fail(error));
  }

  close(): void {
    this.player.stop();
    this.autosave?.close();
    this.timeline.close();
    this.dock.closeAll();
    this.live.close();
    this.past.close();
    this.indexer?.close();
    this.client.close();
  }

  /** Hash of the machine's state where it is. */
  hash(): Promise<string> {
    return this.client.remote.hash();
  }

  // ---- beginning

  private async begin(panes: readonly string[]): Promise<void> {
    const { recording } = this.options;
    const { at } = this.focus.now;
    if (recording !== undefined) await this.openRecording(recording, recording.name);
    else if (this.recordingAddress === undefined) await this.startGuest();
    else await this.openRecording({ url: new URL(this.recordingAddress, location.href).href }, this.recordingAddress);
    for (const name of panes) this.dock.open(name);
    if (at !== undefined) await this.move((machine) => machine.seek(at));
  }

  private readonly onDownload = (done: number, total: number): void => {
    const text = `Fetching the machine's files, once: ${(done / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`;
    this.view.set({ loading: { text, part: done / Math.max(1, total) } });
  };

  private get guestFolder(): string {
    return new URL('guest/', this.options.base).href;
  }

  private async startGuest(): Promise<void> {
    const manifest = await readManifest(this.guestFolder);
    const files = await fetchGuest(this.guestFolder, manifest, this.onDownload);
    this.view.set({ loading: { text: 'Starting the machine …' } });
    const state = await this.client.remote.start(transfer(files, buffersOf(files)), this.live.size);
    this.view.set({ loading: undefined, state });
    this.keepRecording();
    this.live.focus();
  }

  /** Keeps what happens from now on in the browser's storage. */
  private keepRecording(): void {
    this.autosave?.close();
    const name = `${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}.hsr`;
    this.autosave = new Autosave(
      name,
      () => this.client.remote.recording(this.notes, false),
      (error) =>
        this.say(
          `The recording is no longer kept in this browser: ${messageOf(error)} Save it with "Share", or make room under "Storage".`,
        ),
    );
  }

  private async openRecording(file: RecordingFile, name: string): Promise<void> {
    this.view.set({ loading: { text: `Opening ${name} …` } });
    const facts = await this.client.remote.inspect(file);
    const found = await findFiles(this.guestFolder, facts.wanted, this.onDownload);
    const state = await this.client.remote.open(found.files, found.disks);
    this.addMarks(facts.marks.map(({ at, time, note }) => ({ instructions: at.instructions, time, note })));
    this.view.set({
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
    this.onState(state);
    void this.makeIndex(file, found);
  }

  /** Lanes and console of a recording, by replaying it beside the machine that is looked at. */
  private async makeIndex(file: RecordingFile, { files, disks }: FoundFiles): Promise<void> {
    this.indexer = this.newWorker((news) => this.onNews(news, true));
    this.view.set({ indexed: 0 });
    try {
      await this.indexer.remote.inspect(file);
      await this.indexer.remote.index(files, disks);
    } catch (error) {
      this.fail(error);
    } finally {
      this.view.set({ indexed: undefined });
      this.indexer.close();
      this.indexer = undefined;
      const { state } = this.view.now;
      if (state !== undefined) this.onState(state);
    }
  }

  private newWorker(onNews: (news: News) => void): MachineClient {
    return new MachineClient(new URL('worker.js', this.options.base), onNews, (reason) =>
      this.fail(new Error(`The machine's worker failed: ${reason}. Reload the page.`)),
    );
  }

  // ---- news

  /** @param fromIndex it happened in a replay beside the machine that is shown */
  private onNews(news: News, fromIndex = false): void {
    switch (news.kind) {
      case 'console':
        this.history.append(news.bytes, news.instructions, news.times);
        if (!fromIndex) this.live.write(news.bytes);
        break;
      case 'resize':
        this.history.resized(news.instructions, news.columns, news.rows);
        break;
      case 'samples':
        this.lanes.addSamples(news);
        break;
      case 'points':
        this.lanes.addPoints(news);
        this.autosave?.changed();
        break;
      case 'cut':
        this.onCut(news.instructions);
        break;
      case 'index':
        this.view.set({ indexed: news.done < 1 ? news.done : undefined });
        break;
      case 'state':
        return this.onState(news.state);
    }
    this.timeline.draw();
  }

  private onState(state: MachineState): void {
    const before = this.view.now.state;
    this.measure(state);
    this.view.set({ state });
    this.options.tell('state', state);
    this.timeline.update(state, this.marks);
    if (state.mode === 'past') {
      void this.past.show(state.at.instructions);
      this.focus.set({ at: state.at });
    } else if (before?.mode === 'past') {
      this.focus.set({ at: undefined });
      this.live.focus();
    }
    if (state.running && performance.now() - this.panesAt < PANES_EVERY) return;
    this.panesAt = performance.now();
    this.dock.update();
  }

  private onCut(instructions: number): void {
    this.history.cut(instructions);
    this.lanes.cut(instructions);
    this.past.cut();
    this.live.terminal.reset();
    this.live.write(this.history.slice(0, this.history.length).slice());
  }

  private measure({ running, at }: MachineState): void {
    const now = performance.now();
    if (this.measured !== undefined && now - this.measured.at < PANES_EVERY) return;
    const mips =
      this.measured && running
        ? (at.instructions - this.measured.instructions) / (now - this.measured.at) / 1000
        : undefined;
    this.measured = { instructions: at.instructions, at: now };
    this.view.set({ mips });
  }

  // ---- moving in time

  /** Makes a move, one at a time as the worker does them, and says what went wrong. */
  private async move(act: (machine: MachineClient['remote']) => Promise<unknown>): Promise<void> {
    this.view.set({ busy: true });
    try {
      await act(this.client.remote);
    } catch (error) {
      this.fail(error);
    } finally {
      this.view.set({ busy: false });
    }
  }

  /** Goes on live from here; what came after stays as another future. */
  private async resumeHere(): Promise<void> {
    this.player.stop();
    const { state } = this.view.now;
    if (state === undefined || state.mode === 'live') return;
    const { at, time, end } = state;
    const forgets = at.instructions < end.instructions;
    const future = forgets ? await this.future({ instructions: at.instructions, time }) : undefined;
    await this.client.remote.resumeHere();
    if (future !== undefined) this.setFutures([...this.futures, future]);
    this.recordingAddress = undefined;
    this.view.set({ recording: undefined });
    this.keepRecording();
  }

  /** What is here now, as a future that can be come back to. @param from where another way begins */
  private async future(from: PlaceInTime): Promise<Future> {
    const { state } = this.view.now;
    return {
      name: `future ${++this.futuresMade}`,
      from,
      end: { instructions: state!.end.instructions, time: state!.endTime },
      recording: await this.client.remote.recording(this.notes, false),
      history: this.history.copy(),
      lanes: this.lanes.copy(),
      marks: this.marks,
    };
  }

  /** Changes places with another future: it is shown as the recording that it is. */
  private async goToFuture(future: Future): Promise<void> {
    this.player.stop();
    const { remote } = this.client;
    await remote.pause();
    const left = await this.future(future.from);
    this.autosave?.close();
    await remote.inspect(future.recording);
    const state = await remote.open([], []);
    this.history = future.history;
    this.lanes = future.lanes;
    this.marks = future.marks;
    this.timeline.look(this.lanes, this.history);
    this.past.look(this.history);
    this.setFutures([...this.futures.filter((known) => known !== future), left]);
    this.view.set({ recording: future.name });
    this.onState(state);
    await remote.seek(state.end);
  }

  private setFutures(futures: readonly Future[]): void {
    this.futures = futures;
    this.timeline.showFutures(futures);
    this.view.set({ futures: futures.map(({ name }) => name) });
  }

  private preview(place: number): void {
    const instructions = this.instructionsAt(place);
    const offset = this.timeline.axis === 'time' ? this.history.offsetAtTime(place) : undefined;
    this.element('live-terminal').hidden = true;
    this.element('past-terminal').hidden = false;
    void this.past.show(instructions, offset);
  }

  private async land(place: number): Promise<void> {
    this.player.stop();
    const to = this.timeline.axis === 'time' ? { time: place } : { instructions: Math.round(place), sequence: 0 };
    await this.move((machine) => machine.seek(to));
    this.showTerminalOfMode();
  }

  private async seekTime(time: number): Promise<void> {
    await this.client.remote.seek({ time });
  }

  private instructionsAt(place: number): number {
    return this.timeline.axis === 'time' ? this.lanes.convert(place, 'time') : place;
  }

  private async step(kind: 'instruction' | 'function' | 'syscall' | 'line', direction: 1 | -1): Promise<void> {
    this.player.stop();
    if (kind !== 'line') return this.move((machine) => machine.step(kind, direction, this.focus.now.hart));
    await this.move(async (machine) => {
      const state = await machine.pause();
      const offset = this.history.lineEnd(this.history.offsetAfter(state.at.instructions), direction);
      if (offset === undefined) return;
      await machine.seek({ instructions: this.history.instructionsAt(offset - 1) + 1, sequence: 0 });
    });
  }

  private setSpeed(speed: number): void {
    this.view.set({ speed });
    this.player.setSpeed(speed);
  }

  private setAxis(axis: ShellView['axis']): void {
    this.timeline.axis = axis;
    this.view.set({ axis });
  }

  private mark(): void {
    const { state } = this.view.now;
    if (state === undefined) return;
    const note = window.prompt('A note for this instant:', '');
    if (note === null) return;
    const mark = {
      instructions: state.at.instructions,
      time: state.time,
      note: note || `mark ${this.marks.length + 1}`,
    };
    this.addMarks([mark]);
    this.writeAddress();
  }

  private addMarks(marks: readonly Mark[]): void {
    const known = this.marks.filter((mark) => !marks.some((one) => one.instructions === mark.instructions));
    this.marks = [...known, ...marks].sort((a, b) => a.instructions - b.instructions);
    const { state } = this.view.now;
    if (state !== undefined) this.timeline.update(state, this.marks);
  }

  /** The marks, for a recording. */
  private get notes(): NotedInstant[] {
    return this.marks.map(({ instructions, time, note }) => ({
      at: { instructions, sequence: 0 },
      time: Math.round(time),
      note,
    }));
  }

  private onTimelineKey({ key }: KeyboardEvent): boolean {
    const live = this.view.now.state?.mode === 'live';
    const actions: Readonly<Record<string, () => void>> = {
      ' ': live ? this.actions.pause : this.actions.togglePlay,
      ',': () => this.actions.step('instruction', -1),
      '.': () => this.actions.step('instruction', 1),
      '[': () => this.actions.step('syscall', -1),
      ']': () => this.actions.step('syscall', 1),
      '{': () => this.actions.step('function', -1),
      '}': () => this.actions.step('function', 1),
      p: () => this.actions.step('line', -1),
      n: () => this.actions.step('line', 1),
      m: this.actions.mark,
      l: this.actions.goLive,
      g: this.actions.resumeHere,
    };
    actions[key]?.();
    return key in actions;
  }

  private onFocus(now: Focus, before: Focus): void {
    this.writeAddress();
    const { state } = this.view.now;
    const { at } = now;
    const elsewhere =
      at !== undefined &&
      at !== before.at &&
      (state?.at.instructions !== at.instructions || state.at.sequence !== at.sequence);
    if (elsewhere) void this.move((machine) => machine.seek(at));
    else this.dock.update();
  }

  // ---- terminal

  private type(data: string | Uint8Array): void {
    if (this.view.now.state?.mode === 'live') void this.client.remote.type(data);
  }

  private find(): void {
    const past = this.view.now.state?.mode === 'past';
    findBar(this.element('find-place'), past ? this.past.search : this.live.search, () => this.live.focus());
  }

  private changeFontSize(by: number): void {
    this.fontSize = Math.min(LARGEST_FONT, Math.max(SMALLEST_FONT, this.fontSize + by));
    this.live.setFontSize(this.fontSize);
    this.past.setFontSize(this.fontSize);
  }

  private showTerminalOfMode(): void {
    const past = this.view.now.state?.mode === 'past';
    this.element('live-terminal').hidden = past;
    this.element('past-terminal').hidden = !past;
  }

  // ---- the rest

  private share(): void {
    const { recording } = this.view.now;
    const link = this.recordingAddress === undefined || !this.options.ownsAddress ? undefined : location.href;
    openShareDialog(this.root, {
      link,
      save: async (embed) =>
        saveFile(await this.client.remote.recording(this.notes, embed), recording ?? 'hindsight.hsr'),
    });
  }

  private openFiles(): void {
    const { remote } = this.client;
    openFilesDialog(this.root, {
      list: (folder) => remote.listFiles(folder),
      get: (path) => remote.getFile(path),
      put: (path, contents) => remote.putFile(path, contents),
    });
  }

  private listenToFiles(): void {
    const input = this.element('file-input') as HTMLInputElement;
    input.addEventListener('change', () => {
      const file = input.files?.[0];
      if (file !== undefined) this.onFile(file);
    });
    this.root.addEventListener('dragover', (event) => event.preventDefault());
    this.root.addEventListener('drop', (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file !== undefined) this.onFile(file);
    });
  }

  /** A recording is opened; any other file goes into the guest. */
  private onFile(file: File): void {
    if (file.name.endsWith('.hsr')) return this.options.reopen(file);
    const path = `/root/${file.name}`;
    this.view.set({ message: `${file.name} goes into the guest …` });
    file
      .arrayBuffer()
      .then((bytes) => this.client.remote.putFile(path, new Uint8Array(bytes)))
      .then(() => this.view.set({ message: `${file.name} is in the guest at ${path}.` }))
      .catch((error: unknown) => this.fail(error));
  }

  private layOut(): void {
    const style = this.root.style;
    splitter(this.element('dock-splitter'), {
      axis: 'x',
      get: () => this.element('dock').offsetWidth,
      set: (size) => style.setProperty('--dock', `${Math.max(LEAST_DOCK, size)}px`),
    });
    splitter(this.element('timeline-splitter'), {
      axis: 'y',
      get: () => this.root.querySelector<HTMLElement>('.timeline')!.offsetHeight,
      set: (size) => style.setProperty('--timeline', `${Math.max(LEAST_TIMELINE, size)}px`),
    });
  }

  private writeAddress(): void {
    if (!this.options.ownsAddress) return;
    const recording = this.recordingAddress;
    const panes = this.dock.names;
    const text = writeAddress({
      ...(recording !== undefined && { recording }),
      focus: this.focus.now,
      ...(panes.length > 0 && { panes }),
      marks: this.marks,
    });
    history.replaceState(null, '', text === '' ? location.pathname + location.search : text);
  }

  private say(message: string): void {
    this.view.set({ message });
  }

  private fail(error: unknown): void {
    this.options.tell('error', messageOf(error));
    this.view.set({
      message: messageOf(error),
      ...(this.view.now.state === undefined && { loading: { text: 'Nothing runs.' } }),
    });
  }

  private element(id: string): HTMLElement {
    return this.root.querySelector<HTMLElement>(`#${id}`)!;
  }

  private render(): void {
    render(shell(this.view.now, this.actions), this.root);
  }
}
