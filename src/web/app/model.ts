import type { NotedInstant } from '../../record/format.ts';
import { type Mark, type PageAddress, readAddress } from '../focus/address-bar.ts';
import { type Focus, NO_FOCUS } from '../focus/focus.ts';
import { Store } from '../focus/store.ts';
import type { ShellView } from '../layout/shell.ts';
import { ConsoleHistory } from '../terminal/history.ts';
import type { Future } from '../timeline/futures.ts';
import { LaneData } from '../timeline/lane-data.ts';
import { HIDDEN_AT_FIRST } from '../timeline/lanes.ts';
import type { MachineState } from '../worker/protocol.ts';
import { messageOf } from './message.ts';
import type { AppOptions } from './options.ts';

/** The view to begin with. A recording that was brought is looked at from its beginning. */
function addressOf({ ownsAddress, recording, view }: AppOptions): string {
  if (recording !== undefined) return '';
  return ownsAddress && location.hash.length > 1 ? location.hash : view;
}

/** What the page knows of its machine, and what its frame shows. */
export class PageModel {
  readonly options: AppOptions;
  readonly focus: Store<Focus>;
  readonly view: Store<ShellView>;
  /** What the page's address said when it was opened. */
  readonly asked: PageAddress;
  history = new ConsoleHistory();
  lanes = new LaneData();
  futures: readonly Future[] = [];
  marks: readonly Mark[];
  /** Where the recording that is open can be had by others. */
  recordingAddress: string | undefined;

  constructor(options: AppOptions) {
    this.options = options;
    this.view = new Store<ShellView>({
      loading: { text: 'Starting …' },
      message: undefined,
      state: undefined,
      previewing: false,
      showsPast: false,
      benchAddress: new URL('bench.html', options.base).href,
      mips: undefined,
      recording: undefined,
      recordings: [],
      openPanes: [],
      futures: [],
      hiddenLanes: HIDDEN_AT_FIRST,
      axis: 'time',
      playing: false,
      speed: 1,
      busy: false,
      moved: undefined,
      indexed: undefined,
    });
    this.asked = readAddress(addressOf(options));
    this.focus = new Store<Focus>({ ...NO_FOCUS, ...this.asked.focus });
    this.marks = this.asked.marks;
    const { recording } = options;
    this.recordingAddress =
      recording === undefined ? this.asked.recording : 'address' in recording ? recording.address : undefined;
  }

  get state(): MachineState | undefined {
    return this.view.now.state;
  }

  /** Adds marks in place of those at the same instants. */
  addMarks(marks: readonly Mark[]): void {
    const known = this.marks.filter((mark) => !marks.some((one) => one.instructions === mark.instructions));
    this.marks = [...known, ...marks].sort((a, b) => a.instructions - b.instructions);
  }

  /** The marks, for a recording. */
  get notes(): NotedInstant[] {
    return this.marks.map(({ instructions, time, note }) => ({
      at: { instructions, sequence: 0 },
      time: Math.round(time),
      note,
    }));
  }

  say(message: string): void {
    this.view.set({ message });
  }

  fail(error: unknown): void {
    this.options.tell('error', messageOf(error));
    this.view.set({
      message: messageOf(error),
      ...(this.state === undefined && { loading: { text: 'Nothing runs.' } }),
    });
  }
}
