import { type CoreKind, coreFactory } from '../../src/machine/cores.ts';
import { Engine } from '../../src/machine/engine.ts';
import type { Hardware } from '../../src/machine/options.ts';
import { restoreMachine, saveMachine } from '../../src/machine/save.ts';
import { stateHash } from '../../src/machine/state-hash.ts';
import { formatInstant } from '../../src/record/divergence.ts';
import type { Instant } from '../../src/record/door.ts';
import { ReplayDoor } from '../../src/record/replay-door.ts';
import type { Timeline } from '../../src/timeline/timeline.ts';

export interface FuzzOptions {
  readonly moves: number;
  readonly seed: number;
  readonly core: CoreKind;
  readonly now?: () => number;
  readonly progress?: (done: number, kind: string) => void;
}

/** What straight runs say of an instant: a second machine that only ever goes forward from states of its own. */
class Straight {
  private readonly engine: Engine;
  private readonly door: ReplayDoor;
  private readonly kept: { at: number; events: number; state: Uint8Array }[] = [];
  private readonly every: number;

  constructor(timeline: Timeline, hardware: Hardware, core: CoreKind) {
    this.door = new ReplayDoor(timeline.events);
    this.engine = new Engine({ ...hardware, door: this.door, core: coreFactory(core), output: () => undefined });
    this.every = Math.max(20_000, Math.floor(timeline.end.instructions / 24));
    this.kept.push({ at: 0, events: 0, state: saveMachine(this.engine) });
    for (let at = this.every; at < timeline.end.instructions; at += this.every) {
      this.engine.run({ instructions: at });
      this.kept.push({ at, events: this.door.position, state: saveMachine(this.engine) });
    }
  }

  hashAt({ instructions, sequence }: Instant): string {
    const from = this.kept.findLast(({ at }) => at <= instructions && (at < instructions || sequence >= 0)) ?? this.kept[0];
    restoreMachine(this.engine, from.state);
    this.door.seek(from.events);
    this.engine.run({ instructions, sequence });
    return stateHash(this.engine);
  }
}

/** Makes random moves and compares each landing. @returns how long moves of each kind took @throws at the first that lands wrong */
export async function fuzzTimeline(timeline: Timeline, hardware: Hardware, options: FuzzOptions): Promise<Map<string, number[]>> {
  const straight = new Straight(timeline, hardware, options.core);
  const times = new Map<string, number[]>();
  const now = options.now ?? (() => 0);
  let state = options.seed >>> 0 || 1;
  const random = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  const pcs: bigint[] = [];
  const stacks: bigint[] = [];
  for (let move = 0; move < options.moves; move++) {
    const from = timeline.at;
    const hart = timeline.engine.harts[timeline.engine.currentHart];
    pcs.push(hart.get('pc'));
    stacks.push(hart.get('x', 2) & ~7n);
    const pc = pcs[random(pcs.length)];
    const stack = stacks[random(stacks.length)];
    const near = (): number => 1 + random(10 ** (1 + random(6)));
    let kind: string;
    const before = now();
    switch (random(9)) {
      case 0:
        kind = 'seek';
        await timeline.seek(`${random(100_000) / 1000}%`);
        break;
      case 1:
        kind = 'step';
        await timeline.step(near());
        break;
      case 2:
      case 3:
        kind = 'reverse-step';
        await timeline.reverseStep(random(2) === 0 ? 1 : near());
        break;
      case 4:
        kind = 'continue';
        await timeline.continue({ execute: pc });
        break;
      case 5:
        kind = 'reverse-continue';
        await timeline.reverseContinue({ execute: pc });
        break;
      case 6:
        kind = 'watch back';
        await timeline.reverseContinue({ write: [stack, stack + 8n] });
        break;
      case 7:
        kind = 'event';
        await (random(2) === 0 ? timeline.nextInput() : timeline.previousInput());
        break;
      default: {
        kind = 'save and restore';
        const { engine, nextEvent } = timeline;
        restoreMachine(engine, saveMachine(engine));
        if (nextEvent !== timeline.nextEvent) throw new Error('a restore moved the log');
      }
    }
    const list = times.get(kind) ?? [];
    times.set(kind, list);
    list.push(now() - before);
    options.progress?.(move, kind);
    const found = timeline.hash();
    const expected = straight.hashAt(timeline.at);
    if (found !== expected) {
      throw new Error(
        `move ${move} (seed ${options.seed}): ${kind} from ${formatInstant(from)} landed at ${formatInstant(timeline.at)} with hash ${found}, a straight run has ${expected}`,
      );
    }
  }
  return times;
}
