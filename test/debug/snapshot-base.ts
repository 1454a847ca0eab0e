import { type DebugDriver, DebugError } from '../../src/debug/target.ts';
import { parseIsa } from '../../src/machine/board/config.ts';
import type { BootPlan } from '../../src/machine/boot/plan.ts';
import { type CoreKind, coreFactory } from '../../src/machine/engine/cores.ts';
import { applyWrite } from '../../src/machine/engine/debug-write.ts';
import { Engine } from '../../src/machine/engine/engine.ts';
import type { Limit, Stop } from '../../src/machine/engine/stop.ts';
import { restoreMachine, saveMachine } from '../../src/machine/state/save.ts';
import type { Input } from '../../src/record/door.ts';
import { compareInstants, type Instant } from '../../src/record/door.ts';
import type { NotedInstant } from '../../src/record/format.ts';
import { LiveDoor } from '../../src/record/live-door.ts';
import { fixedSources } from '../../src/record/sources.ts';

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
/** Instructions run at once. */
const SLICE = 2_000_000;

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
export class SnapshotBase implements DebugDriver {
  readonly title = 'a test program';
  readonly engine: Engine;
  readonly begin: Instant = { instructions: 0, sequence: 0 };
  readonly events = [];
  marks: readonly NotedInstant[] = [];
  readOnly = true;
  endless = false;
  private top: Instant;
  private readonly kept: { at: Instant; bytes: number; state: Uint8Array }[] = [];

  constructor(engine: Engine, { spacing = 20_000, limit = 10_000_000 }: BareOptions = {}) {
    this.engine = engine;
    for (;;) {
      const state = saveMachine(engine);
      this.kept.push({ at: engine.instant, bytes: state.length, state });
      if (engine.halt || engine.instructions >= limit) break;
      engine.run({ instructions: Math.min(limit, engine.instructions + spacing) });
    }
    this.top = engine.instant;
    restoreMachine(engine, this.kept[0].state);
  }

  get live(): boolean {
    return !this.readOnly;
  }

  get reached(): Instant {
    if (compareInstants(this.engine.instant, this.top) > 0) this.top = this.engine.instant;
    return this.top;
  }

  async seek(to: Instant): Promise<void> {
    let from = this.kept[0];
    for (const k of this.kept) if (compareInstants(k.at, to) <= 0) from = k;
    this.engine.setDebugPoints([]);
    restoreMachine(this.engine, from.state);
    if (compareInstants(to, from.at) > 0) this.engine.run(to);
  }

  run(limit: Limit): Stop {
    return this.engine.run({ ...limit, instructions: Math.min(limit.instructions, this.engine.instructions + SLICE) });
  }

  checkpoints(): readonly { at: Instant; bytes: number }[] {
    return this.kept;
  }

  exclusively<T>(move: () => Promise<T>): Promise<T> {
    return move();
  }

  async keepMarks(): Promise<void> {
    throw new DebugError('this machine keeps no marks');
  }

  async branch(): Promise<void> {
    if (this.engine.halt) throw new DebugError('the machine has powered off: there is nothing to go on with');
    this.readOnly = false;
    this.endless = true;
    this.top = this.engine.instant;
    while (compareInstants(this.kept[this.kept.length - 1].at, this.top) > 0) this.kept.pop();
  }

  write({ payload }: Input): boolean {
    return applyWrite(this.engine, payload);
  }

  pause(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}
