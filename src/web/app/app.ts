import { render } from 'lit';
import { writeAddress } from '../focus/address-bar.ts';
import type { Focus } from '../focus/focus.ts';
import { Dock } from '../layout/dock.ts';
import { type ShellActions, shell } from '../layout/shell.ts';
import { splitter } from '../layout/splitter.ts';
import type { PaneContext } from '../panes/pane.ts';
import { openShareDialog } from '../share/share-dialog.ts';
import { openStorageDialog } from '../storage/storage-dialog.ts';
import type { LaneName } from '../timeline/lanes.ts';
import { TimelineView } from '../timeline/timeline-view.ts';
import type { MachineState, News } from '../worker/protocol.ts';
import type { QuestionName } from '../worker/questions/index.ts';
import { Branches } from './branches.ts';
import { IncomingFiles } from './incoming-files.ts';
import { actOnKey, openHelpDialog } from './keys.ts';
import { MachineClient } from './machine-client.ts';
import { PageModel } from './model.ts';
import { Moves } from './moves.ts';
import type { AppOptions } from './options.ts';
import { PageOpening } from './page-opening.ts';
import { saveFile } from './save-file.ts';
import { Terminals } from './terminals.ts';

const LEAST_DOCK = 240;
const LEAST_TIMELINE = 110;
/** Milliseconds between updates of panes while the machine runs. */
const PANES_EVERY = 500;

/** The page: one machine, its terminal, its timeline, its panes. Wires the parts. */
export class App {
  private readonly root: HTMLElement;
  private readonly model: PageModel;
  private readonly client: MachineClient;
  private readonly terminals: Terminals;
  private readonly timeline: TimelineView;
  private readonly dock: Dock;
  private readonly moves: Moves;
  private readonly opening: PageOpening;
  private readonly branches: Branches;
  private readonly files: IncomingFiles;
  private readonly actions: ShellActions = {
    togglePane: (name) => this.dock.toggle(name),
    toggleLane: (name) => this.toggleLane(name),
    closeMessage: () => this.model.view.set({ message: undefined }),
    step: (kind, direction) => void this.moves.step(kind, direction),
    togglePlay: () => this.moves.togglePlay(),
    setSpeed: (speed) => this.moves.setSpeed(speed),
    mark: () => this.mark(),
    goLive: () => this.leavePast((machine) => machine.goLive()),
    resumeHere: () => this.leavePast(() => this.branches.resumeHere()),
    goToFuture: (index) => this.leavePast(() => this.branches.goTo(this.model.futures[index])),
    stopMove: () => void this.client.remote.interrupt(),
    pause: () => void this.moves.move((machine) => machine.pause()),
    zoom: (factor) => this.timeline.zoom(factor),
    showAll: () => this.timeline.showAll(),
    setAxis: (axis) => this.setAxis(axis),
    find: () => this.terminals.find(this.element('find-place')),
    fontSize: (by) => this.terminals.changeFontSize(by),
    share: () => this.share(),
    help: () => openHelpDialog(this.root),
    files: () => this.files.open(),
    storage: () => openStorageDialog(this.root, this.model.options.reopen, () => this.opening.kept()),
    openFile: () => this.root.querySelector<HTMLInputElement>('#file-input')?.click(),
    openRecording: (address) => this.openRecording(address),
    type: (text) => this.type(text),
  };
  private measured: { readonly instructions: number; readonly at: number } | undefined;
  private panesAt = 0;

  constructor(root: HTMLElement, options: AppOptions) {
    this.root = root;
    const model = new PageModel(options);
    this.model = model;
    model.view.listen(() => this.render());
    this.render();
    this.client = this.newWorker((news) => this.onNews(news));
    this.terminals = new Terminals(this.element('live-terminal'), this.element('past-terminal'), model, {
      type: (data) => this.type(data),
      resized: (columns, rows) => void (model.state && this.client.remote.resize(columns, rows)),
      goTo: (instructions) => void this.moves.move((machine) => machine.seek({ instructions, sequence: 0 })),
    });
    this.timeline = new TimelineView(this.element('lanes') as HTMLCanvasElement, model.lanes, model.history, {
      preview: (place) => this.moves.preview(place, this.timeline),
      land: (place) => void this.moves.land(place, this.timeline),
      cancel: () => this.moves.endPreview(),
      key: ({ key }) => actOnKey(key, this.actions, model.state?.mode === 'live'),
    });
    this.moves = new Moves(model, this.client, this.terminals);
    this.opening = new PageOpening(model, this.client, this.terminals, {
      newWorker: (onNews) => this.newWorker(onNews),
      onIndexNews: (news) => this.onNews(news, true),
      changed: () => this.lookAgain(),
    });
    this.branches = new Branches(model, this.client, this.opening, () => this.lookAgain());
    this.dock = new Dock(
      this.element('dock'),
      {
        ask: ((...asked: [QuestionName]) => this.client.remote.ask(...asked)) as PaneContext['ask'],
        focus: model.focus,
        state: () => model.state!,
        move: (act) => this.moves.move(act),
        open: (name) => this.dock.open(name),
        say: (message) => model.say(message),
      },
      (openPanes) => {
        model.view.set({ openPanes });
        this.writeAddress();
      },
    );
    model.focus.listen((now, before) => this.onFocus(now, before));
    this.files = new IncomingFiles(root, this.element('file-input') as HTMLInputElement, model, this.client);
    this.layOut();
    this.begin().catch((error: unknown) => model.fail(error));
  }

  close(): void {
    this.moves.stopPlaying();
    this.opening.close();
    this.timeline.close();
    this.dock.closeAll();
    this.terminals.close();
    this.client.close();
  }

  /** Hash of the machine's state where it is. */
  hash(): Promise<string> {
    return this.client.remote.hash();
  }

  private async begin(): Promise<void> {
    const { at } = this.model.focus.now;
    await this.opening.begin();
    for (const name of this.model.asked.panes ?? []) this.dock.open(name);
    if (at !== undefined) await this.moves.move((machine) => machine.seek(at));
  }

  private newWorker(onNews: (news: News) => void): MachineClient {
    return new MachineClient(new URL('worker.js', this.model.options.base), onNews, (reason) =>
      this.model.fail(new Error(`The machine's worker failed: ${reason}. Reload the page.`)),
    );
  }

  // ---- news

  /** @param fromIndex it happened in a replay beside the machine that is shown */
  private onNews(news: News, fromIndex = false): void {
    const { history, lanes, view } = this.model;
    switch (news.kind) {
      case 'console':
        history.append(news.bytes, news.instructions, news.times);
        if (!fromIndex) this.terminals.live.write(news.bytes);
        break;
      case 'resize':
        history.resized(news.instructions, news.columns, news.rows);
        break;
      case 'samples':
        lanes.addSamples(news);
        break;
      case 'points':
        lanes.addPoints(news);
        this.opening.recordingChanged();
        break;
      case 'cut':
        history.cut(news.instructions);
        lanes.cut(news.instructions);
        this.terminals.cut();
        break;
      case 'progress':
        view.set({ moved: news.done });
        return;
      case 'index':
        view.set({ indexed: news.done });
        break;
      case 'state':
        return this.onState(news.state);
    }
    this.timeline.draw();
  }

  private onState(state: MachineState): void {
    const { model } = this;
    const before = model.state;
    this.measure(state);
    model.view.set({ state });
    model.options.tell('state', state);
    this.timeline.update(state, model.marks);
    if (state.mode === 'past') {
      void this.terminals.show(state.at.instructions);
      model.focus.set({ at: state.at });
    } else if (before?.mode === 'past') {
      model.focus.set({ at: undefined });
      if (!model.view.now.previewing) model.view.set({ showsPast: false });
      this.terminals.live.focus();
    }
    if (state.running && performance.now() - this.panesAt < PANES_EVERY) return;
    this.panesAt = performance.now();
    this.dock.update();
  }

  /** The model has another history, other lanes, other futures, or another state. */
  private lookAgain(): void {
    const { state, lanes, history, futures } = this.model;
    this.timeline.look(lanes, history, futures);
    this.terminals.lookAgain();
    if (state !== undefined) this.onState(state);
  }

  private measure({ running, at }: MachineState): void {
    const now = performance.now();
    if (this.measured !== undefined && now - this.measured.at < PANES_EVERY) return;
    const mips =
      this.measured && running
        ? (at.instructions - this.measured.instructions) / (now - this.measured.at) / 1000
        : undefined;
    this.measured = { instructions: at.instructions, at: now };
    this.model.view.set({ mips });
  }

  // ---- actions

  private leavePast(act: Parameters<Moves['move']>[0]): void {
    this.moves.stopPlaying();
    void this.moves.move(act);
  }

  /** @param address relative to the site, which this page may not be of */
  private openRecording(address: string): void {
    const { ownsAddress, base, reopen } = this.model.options;
    reopen({ address: ownsAddress ? address : new URL(address, base).href });
  }

  private type(data: string | Uint8Array): void {
    if (this.model.state?.mode === 'live') void this.client.remote.type(data);
  }

  private mark(): void {
    const { model } = this;
    const { state } = model;
    if (state === undefined) return;
    const note = window.prompt('A note for this instant:', '');
    if (note === null) return;
    const { at, time } = state;
    model.addMarks([{ instructions: at.instructions, time, note: note || `mark ${model.marks.length + 1}` }]);
    this.timeline.update(state, model.marks);
    this.writeAddress();
  }

  private setAxis(axis: TimelineView['axis']): void {
    this.timeline.axis = axis;
    this.model.view.set({ axis });
  }

  private toggleLane(name: LaneName): void {
    const hiddenLanes = new Set(this.model.view.now.hiddenLanes);
    if (!hiddenLanes.delete(name)) hiddenLanes.add(name);
    this.model.view.set({ hiddenLanes });
    this.timeline.hide(hiddenLanes);
  }

  private share(): void {
    const { model } = this;
    const { recording } = model.view.now;
    const link = model.recordingAddress === undefined || !model.options.ownsAddress ? undefined : location.href;
    openShareDialog(this.root, {
      link,
      save: async (embed) =>
        saveFile(await this.client.remote.recording(model.notes, embed), recording ?? 'hindsight.hsr'),
    });
  }

  // ---- the view

  private onFocus(now: Focus, before: Focus): void {
    this.writeAddress();
    const { state } = this.model;
    const { at } = now;
    const elsewhere =
      at !== undefined &&
      at !== before.at &&
      (state?.at.instructions !== at.instructions || state.at.sequence !== at.sequence);
    if (elsewhere) void this.moves.move((machine) => machine.seek(at));
    else this.dock.update();
  }

  private writeAddress(): void {
    if (!this.model.options.ownsAddress) return;
    const { recordingAddress: recording, focus, marks } = this.model;
    const panes = this.dock.names;
    const text = writeAddress({
      ...(recording !== undefined && { recording }),
      focus: focus.now,
      ...(panes.length > 0 && { panes }),
      marks,
    });
    history.replaceState(null, '', text === '' ? location.pathname + location.search : text);
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

  private element(id: string): HTMLElement {
    return this.root.querySelector<HTMLElement>(`#${id}`)!;
  }

  private render(): void {
    render(shell(this.model.view.now, this.actions), this.root);
  }
}
