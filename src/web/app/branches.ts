import type { Future, PlaceInTime } from '../timeline/futures.ts';
import type { MachineClient } from './machine-client.ts';
import type { PageModel } from './model.ts';
import type { PageOpening } from './page-opening.ts';

/** The ways that time went: going on from an instant, and changing over to what came after it before. */
export class Branches {
  private readonly model: PageModel;
  private readonly client: MachineClient;
  private readonly opening: PageOpening;
  private readonly changed: () => void;
  private made = 0;

  /** @param changed called when what the timeline and the terminals show is another way */
  constructor(model: PageModel, client: MachineClient, opening: PageOpening, changed: () => void) {
    this.model = model;
    this.client = client;
    this.opening = opening;
    this.changed = changed;
  }

  /** Goes on live from here; what came after stays as another future. */
  async resumeHere(): Promise<void> {
    const { state } = this.model;
    if (state === undefined || state.mode === 'live') return;
    await this.opening.indexed();
    const { at, time, end } = state;
    const forgets = at.instructions < end.instructions;
    const future = forgets ? await this.future({ instructions: at.instructions, time }) : undefined;
    await this.client.remote.resumeHere();
    if (future !== undefined) this.set([...this.model.futures, future]);
    this.model.recordingAddress = undefined;
    this.model.view.set({ recording: undefined });
    this.changed();
    this.opening.keepRecording();
  }

  /** Changes places with another future: it is shown as the recording that it is. */
  async goTo(future: Future): Promise<void> {
    const { remote } = this.client;
    const { model } = this;
    await remote.pause();
    const left = await this.future(future.from);
    this.opening.stopKeeping();
    await remote.inspect(future.recording);
    const state = await remote.open([], []);
    model.history = future.history;
    model.lanes = future.lanes;
    model.marks = future.marks;
    this.set([...model.futures.filter((known) => known !== future), left]);
    model.view.set({ recording: future.name, state });
    this.changed();
    await remote.seek(state.end);
  }

  /** What is here now, as a future that can be come back to. @param from where another way begins */
  private async future(from: PlaceInTime): Promise<Future> {
    const { state, notes, history, lanes, marks } = this.model;
    return {
      name: `future ${++this.made}`,
      from,
      end: { instructions: state!.end.instructions, time: state!.endTime },
      recording: await this.client.remote.recording(notes, false),
      history: history.copy(),
      lanes: lanes.copy(),
      marks,
    };
  }

  private set(futures: readonly Future[]): void {
    this.model.futures = futures;
    this.model.view.set({ futures: futures.map(({ name }) => name) });
  }
}
