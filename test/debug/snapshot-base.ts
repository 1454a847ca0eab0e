import type { TimeBase } from '../../src/debug/engine-target.ts';
import { DebugError, type Instant } from '../../src/debug/target.ts';
import { parseIsa } from '../../src/machine/board/config.ts';
import type { BootPlan } from '../../src/machine/boot/plan.ts';
import { type CoreKind, coreFactory } from '../../src/machine/engine/cores.ts';
import { Engine, type Limit, type Stop } from '../../src/machine/engine/engine.ts';
import { restoreMachine, saveMachine } from '../../src/machine/state/save.ts';
import { fixedSources, LiveDoor } from '../../src/record/door.ts';

export interface BareProgram {
  readonly code: Uint8Array;
  /** Physical address of its first byte, where all harts begin. */
  readonly address: number;
}

export interface BareOptions {
  readonly harts?: number;
  readonly core?: CoreKind;
  /** Instructions between checkpoints. */
  readonly spacing?: number;
  /** Instructions to record at most. */
  readonly limit?: number;
}

const MEMORY = 4 << 20;

/** A machine that runs a program without a system, from S-mode, all harts started. */
export function bareEngine({ code, address }: BareProgram, { harts = 1, core = 'ts' }: BareOptions = {}): Engine {
  const plan: BootPlan = {
    placements: [{ what: 'kernel', address, bytes: code, memorySize: code.length }],
    harts: Array.from({ length: harts }, (_, hart) => ({
      hart,
      started: true,
      pc: address,
      mode: 'supervisor',
      a0: hart,
      a1: 0,
      a2: 0,
    })),
    entry: address,
    deviceTree: 0,
  };
  return new Engine({
    config: {
      memory: MEMORY,
      harts,
      isa: parseIsa('max'),
      mmu: 'sv57',
      kernel: { file: 'program', size: code.length, hash: '' },
      append: '',
      rotation: { seed: 1, quantum: 50, chaos: false },
      rngSeed: '',
      slots: [],
    },
    plan,
    backends: [],
    door: new LiveDoor(fixedSources(1)),
    core: coreFactory(core),
    output: () => undefined,
  });
}

/** Time for tests: the whole run is made once with checkpoints, which are then returned to. */
export class SnapshotBase implements TimeBase {
  readonly title = 'a test program';
  readonly engine: Engine;
  readonly begin = 0;
  readOnly = true;
  private top = 0;
  private readonly kept: { instant: Instant; bytes: number; state: Uint8Array }[] = [];
  private last: Instant;

  constructor(engine: Engine, { spacing = 20_000, limit = 10_000_000 }: BareOptions = {}) {
    this.engine = engine;
    for (;;) {
      const state = saveMachine(engine);
      this.kept.push({ instant: engine.instructions, bytes: state.length, state });
      if (engine.halt || engine.instructions >= limit) break;
      engine.run({ instructions: Math.min(limit, engine.instructions + spacing) });
    }
    this.last = engine.instructions;
    this.top = this.last;
    restoreMachine(engine, this.kept[0].state);
  }

  get living(): boolean {
    return !this.readOnly;
  }

  end(): Instant {
    return this.last;
  }

  reached(): Instant {
    this.top = Math.max(this.top, this.engine.instructions);
    return this.top;
  }

  async seek(instant: Instant): Promise<void> {
    let from = this.kept[0];
    for (const k of this.kept) if (k.instant <= instant) from = k;
    this.engine.setDebugPoints([]);
    restoreMachine(this.engine, from.state);
    if (instant > from.instant) this.engine.run({ instructions: instant });
  }

  run(limit: Limit): Stop {
    return this.engine.run(limit);
  }

  checkpoints(): readonly { instant: Instant; bytes: number }[] {
    return this.kept;
  }

  events(): [] {
    return [];
  }

  async branch(): Promise<void> {
    if (this.engine.halt) throw new DebugError('the machine has powered off: there is nothing to go on with');
    this.readOnly = false;
    this.last = Infinity;
    while (this.kept.length > 1 && this.kept[this.kept.length - 1].instant > this.engine.instructions) this.kept.pop();
  }

  pause(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}
