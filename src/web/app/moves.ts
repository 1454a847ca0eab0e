import { Player } from '../timeline/player.ts';
import type { TimelineView } from '../timeline/timeline-view.ts';
import type { StepKind } from '../worker/protocol.ts';
import type { MachineClient } from './machine-client.ts';
import type { PageModel } from './model.ts';
import type { Terminals } from './terminals.ts';

/** Moving in time: by steps, to places on the timeline, as it went by. */
export class Moves {
  private readonly model: PageModel;
  private readonly client: MachineClient;
  private readonly terminals: Terminals;
  private readonly player: Player;
  private moving = 0;

  constructor(model: PageModel, client: MachineClient, terminals: Terminals) {
    this.model = model;
    this.client = client;
    this.terminals = terminals;
    this.player = new Player({
      time: () => model.state?.time ?? 0,
      end: () => model.state?.endTime ?? 0,
      show: async (time) => void (await client.remote.seek({ time })),
      changed: (playing) => model.view.set({ playing }),
    });
  }

  /** Makes a move, one at a time as the worker does them, and says what went wrong. */
  async move(act: (machine: MachineClient['remote']) => Promise<unknown>): Promise<void> {
    this.moving++;
    this.model.view.set({ busy: true });
    try {
      await act(this.client.remote);
    } catch (error) {
      this.model.fail(error);
    } finally {
      this.model.view.set({ busy: --this.moving > 0, moved: undefined });
    }
  }

  togglePlay(): void {
    this.player.toggle(this.model.view.now.speed);
  }

  setSpeed(speed: number): void {
    this.model.view.set({ speed });
    this.player.setSpeed(speed);
  }

  stopPlaying(): void {
    this.player.stop();
  }

  async step(kind: StepKind | 'line', direction: 1 | -1): Promise<void> {
    this.player.stop();
    const { history, focus } = this.model;
    if (kind !== 'line') return this.move((machine) => machine.step(kind, direction, focus.now.hart));
    await this.move(async (machine) => {
      const state = await machine.pause();
      const offset = history.lineEnd(history.offsetAfter(state.at.instructions), direction);
      if (offset === undefined) return;
      await machine.seek({ instructions: history.instructionsAt(offset - 1) + 1, sequence: 0 });
    });
  }

  /** The playhead is dragged: the terminal shows what was there. @param place in units of the axis */
  preview(place: number, { axis }: TimelineView): void {
    const { history, lanes, view } = this.model;
    const instructions = axis === 'time' ? lanes.convert(place, 'time') : place;
    view.set({ previewing: true });
    void this.terminals.show(instructions, axis === 'time' ? history.offsetAtTime(place) : undefined);
  }

  /** Goes there. @param place in units of the axis */
  async land(place: number, { axis }: TimelineView): Promise<void> {
    this.player.stop();
    const to = axis === 'time' ? { time: place } : { instructions: Math.round(place), sequence: 0 };
    await this.move((machine) => machine.seek(to));
    this.endPreview();
  }

  /** The playhead is let go of: the terminal shows what is where the machine is. */
  endPreview(): void {
    const { state, view } = this.model;
    if (!view.now.previewing) return;
    view.set({ previewing: false });
    if (state?.mode === 'past') void this.terminals.show(state.at.instructions);
    else view.set({ showsPast: false });
  }
}
