import type { TimeBase } from '../../src/debug/engine-target.ts';
import { eventNote } from '../../src/debug/event-note.ts';
import { DebugError, type EventNote, type Instant } from '../../src/debug/target.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { coreFactory, type CoreKind } from '../../src/machine/cores.ts';
import { Engine, type Limit, type Stop } from '../../src/machine/engine.ts';
import { planHardware } from '../../src/machine/options.ts';
import { fixedSources, LiveDoor, type HostEvent } from '../../src/record/door.ts';
import { ReplayDoor } from '../../src/record/replay-door.ts';
import { Checkpoints } from '../../src/timeline/checkpoints.ts';

export interface LinuxRun {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  readonly append: string;
  readonly harts?: number;
  readonly core?: CoreKind;
  /** Instructions to record at most, and between checkpoints. */
  readonly limit: number;
  readonly spacing: number;
  /** Told what the console prints; true ends the run. */
  readonly console?: (text: string) => boolean;
}

/** A recorded boot of Linux, in memory. */
export class LinuxBase implements TimeBase {
  readonly title = 'a Linux boot';
  readonly begin = 0;
  readonly readOnly = true;
  readonly engine: Engine;
  readonly printed: string;
  private readonly kept: Checkpoints;
  private readonly log: HostEvent[] = [];
  private readonly door: ReplayDoor;
  private readonly last: Instant;

  private constructor(engine: Engine, run: LinuxRun, text: () => string) {
    this.engine = engine;
    engine.door = new LiveDoor(fixedSources(1), (event) => this.log.push(event));
    this.kept = new Checkpoints(engine, 512 << 20);
    while (!engine.halt && engine.instructions < run.limit) {
      const stop = engine.run({ instructions: engine.instructions + run.spacing });
      if (stop === 'idle' || run.console?.(text())) break;
      this.kept.capture(this.log.length);
    }
    this.printed = text();
    this.last = engine.instructions;
    this.door = new ReplayDoor(this.log, this.log.length);
    engine.door = this.door;
  }

  static async boot(run: LinuxRun): Promise<LinuxBase> {
    const hardware = await planHardware({
      kernel: { file: 'kernel', bytes: run.kernel }, initrd: { file: 'initrd', bytes: run.initrd }, append: run.append, harts: run.harts ?? 1,
    }, createHostRoom());
    let text = '';
    const engine = new Engine({
      ...hardware, door: new LiveDoor(fixedSources(1)), core: coreFactory(run.core ?? 'wasm'),
      output: (_port, bytes) => (text += String.fromCharCode(...bytes)),
    });
    return new LinuxBase(engine, run, () => text);
  }

  end(): Instant {
    return this.last;
  }

  async seek(instant: Instant): Promise<void> {
    const { engine } = this;
    engine.setDebugPoints([]);
    const from = this.kept.before({ instructions: instant, sequence: 0 });
    this.kept.restore(from);
    this.door.seek(from.events);
    if (instant > engine.instructions) engine.run({ instructions: instant });
  }

  run(limit: Limit): Stop {
    return this.engine.run(limit);
  }

  checkpoints(): { instant: Instant; bytes: number }[] {
    return this.kept.all.map((c) => ({ instant: c.at.instructions, bytes: c.state.length }));
  }

  events(): EventNote[] {
    return this.log.map((e, i) => eventNote(e, i, (port) => this.engine.portName(port)));
  }

  async branch(): Promise<void> {
    throw new DebugError('not here');
  }

  pause(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}
