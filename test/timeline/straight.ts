import { type CoreKind, coreFactory } from '../../src/machine/engine/cores.ts';
import { Engine } from '../../src/machine/engine/engine.ts';
import type { Hardware } from '../../src/machine/session/options.ts';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { formatInstant } from '../../src/record/divergence.ts';
import { compareInstants, type HostEvent, type Instant } from '../../src/record/door.ts';
import { ReplayDoor } from '../../src/record/replay-door.ts';

/** Where a move landed, and what the state's hash was there. */
export interface Landing {
  readonly at: Instant;
  readonly hash: string;
  /** What to say of it when it is wrong. */
  readonly what: string;
}

/**
 * Compares landings with one run of a second machine that goes from power-on straight forward, without checkpoints, restores or debug points.
 * @throws at the earliest landing that is not what the straight run has there
 */
export function checkStraight(
  events: readonly HostEvent[],
  hardware: Hardware,
  core: CoreKind,
  landings: readonly Landing[],
): void {
  const engine = new Engine({
    ...hardware,
    door: new ReplayDoor(events),
    core: coreFactory(core),
    output: () => undefined,
  });
  for (const { at, hash, what } of [...landings].sort((a, b) => compareInstants(a.at, b.at))) {
    engine.run(at);
    const found = engine.instant;
    if (compareInstants(found, at) !== 0)
      throw new Error(
        `${what}: landed at ${formatInstant(at)}, where a straight run never is (it is at ${formatInstant(found)})`,
      );
    const expected = stateHash(engine);
    if (hash !== expected)
      throw new Error(`${what}: landed at ${formatInstant(at)} with hash ${hash}, a straight run has ${expected}`);
  }
}
