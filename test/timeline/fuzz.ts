import type { CoreKind } from '../../src/machine/engine/cores.ts';
import type { HostRoom } from '../../src/machine/session/host-room.ts';
import type { Hardware } from '../../src/machine/session/options.ts';
import { restoreMachine, saveMachine } from '../../src/machine/state/save.ts';
import { formatInstant } from '../../src/record/divergence.ts';
import { EVENT } from '../../src/record/door.ts';
import { branchMachine } from '../../src/timeline/open.ts';
import type { Timeline } from '../../src/timeline/timeline.ts';
import { checkStraight, type Landing } from './straight.ts';

export interface FuzzOptions {
  readonly moves: number;
  readonly seed: number;
  readonly core: CoreKind;
  readonly room: HostRoom;
  /** What a branch types, to live a life of its own. */
  readonly typed: string;
  /** Longest life of a branch, in instructions. */
  readonly life: number;
  /** Moves after which the landings are compared with a straight run; default all at the end. */
  readonly batch?: number;
  readonly now?: () => number;
  readonly progress?: (done: number, kind: string) => void;
}

/** One in so many branches is typed at, and its own recording run straight. */
const OWN_LIFE = 8;

/** Random numbers below a limit (xorshift32). */
function fuzzRandom(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/**
 * Goes on live from where the timeline stands. Left alone a branch is what was recorded, up to the next input; typed at, it is what its own
 * recording gives in a straight run. @returns landings to compare with the timeline's own straight run
 */
async function branchMove(
  timeline: Timeline,
  hardware: Hardware,
  options: FuzzOptions,
  random: (below: number) => number,
  what: string,
): Promise<Landing[]> {
  const { core, room } = options;
  const vm = branchMachine(timeline, hardware, { core, hashEvery: 0 }, room);
  const landings: Landing[] = [{ at: vm.instant, hash: vm.hash(), what: `${what}, before it ran` }];
  const from = vm.instant.instructions;
  const until = from + 1 + random(options.life);
  if (random(OWN_LIFE) === 0) {
    await vm.run({ instructions: from + random(options.life) });
    vm.write(options.typed);
    await vm.run({ instructions: until + options.life });
    const own = { at: vm.instant, hash: vm.hash(), what: `${what}, typed at` };
    checkStraight(vm.recording.events, hardware, core, [...landings, own]);
  } else {
    // Answers come from the same fixed sources; what the recording typed or warped does not.
    const next = timeline.events.find(({ kind }, i) => i >= timeline.nextEvent && kind !== EVENT.ANSWER);
    await vm.run({ instructions: Math.min(until, timeline.end.instructions, next?.at.instructions ?? Infinity) });
    if (vm.instant.sequence === 0) landings.push({ at: vm.instant, hash: vm.hash(), what });
  }
  await vm.close();
  return landings;
}

/**
 * Makes random moves and compares each landing with a straight run; the recording's sources must be fixed (`clock: 'virtual'`).
 * @returns how long moves of each kind took, in milliseconds @throws at one that landed wrong
 */
export async function fuzzTimeline(
  timeline: Timeline,
  hardware: Hardware,
  options: FuzzOptions,
): Promise<Map<string, number[]>> {
  const { room, core, batch = options.moves } = options;
  const times = new Map<string, number[]>();
  const now = options.now ?? (() => 0);
  const random = fuzzRandom(options.seed);
  const pcs: bigint[] = [];
  const stacks: bigint[] = [];
  let landings: Landing[] = [];
  for (let move = 0; move < options.moves; move++) {
    const from = timeline.at;
    const hart = timeline.engine.harts[timeline.engine.currentHart];
    pcs.push(hart.get('pc'));
    stacks.push(hart.get('x', 2) & ~7n);
    const pc = pcs[random(pcs.length)];
    // One instruction, or now and then its page.
    const execute = random(8) > 0 ? pc : ([pc & ~0xfffn, (pc & ~0xfffn) + 0x1000n] as const);
    const stack = stacks[random(stacks.length)];
    const near = (): number => 1 + random(10 ** (1 + random(6)));
    const what = (kind: string): string => `move ${move} (seed ${options.seed}): ${kind} from ${formatInstant(from)}`;
    let kind: string;
    const before = now();
    // Searches that find nothing run through all of the recording: they are as rare as branches, steps the most frequent.
    switch (random(16)) {
      case 0:
      case 1:
      case 2:
        kind = 'seek';
        await timeline.seek(`${random(100_000) / 1000}%`);
        break;
      case 3:
      case 4:
        kind = 'step';
        await timeline.step(near());
        break;
      case 5:
      case 6:
      case 7:
      case 8:
      case 9:
        kind = 'reverse-step';
        await timeline.reverseStep(random(2) === 0 ? 1 : near());
        break;
      case 10:
        kind = 'continue';
        await timeline.continue({ execute });
        break;
      case 11:
        kind = 'reverse-continue';
        await timeline.reverseContinue({ execute });
        break;
      case 12:
        kind = 'watch back';
        await timeline.reverseContinue({ write: [stack, stack + 8n] });
        break;
      case 13:
        kind = 'event';
        await (random(2) === 0 ? timeline.nextInput() : timeline.previousInput());
        break;
      case 14:
        kind = 'branch';
        landings.push(...(await branchMove(timeline, hardware, options, random, what(kind))));
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
    landings.push({ at: timeline.at, hash: timeline.hash(), what: what(kind) });
    options.progress?.(move + 1, kind);
    if ((move + 1) % batch === 0 || move + 1 === options.moves) {
      checkStraight(timeline.events, hardware, core, landings);
      landings = [];
      await room.yieldToHost();
    }
  }
  return times;
}
