import { HART_STATE } from '../../firmware/index.ts';
import type { HartState } from '../memory/hart-state.ts';
import type { Rotation } from './rotation.ts';

const NO_RESERVATION = 0xffff_ffff_ffff_ffffn;

/** Whose turn it is among the harts that can run (contract 9). */
export class Turns {
  private readonly harts: readonly HartState[];
  private readonly rotation: Rotation;

  constructor(harts: readonly HartState[], rotation: Rotation) {
    this.harts = harts;
    this.rotation = rotation;
  }

  /**
   * Goes on with the current hart, or gives the turn to the next that can run.
   * @returns `run` when the current hart is to execute, `step` when something changed for that, `idle` when all harts wait
   */
  next(now: number): 'run' | 'step' | 'idle' {
    const { harts, rotation } = this;
    const current = harts[rotation.current];
    if ((harts.length === 1 || rotation.left > 0) && runnable(current, now)) return resume(current) ? 'step' : 'run';
    if (harts.length > 1) {
      for (let i = 1; i <= harts.length; i++) {
        const next = harts[(rotation.current + i) % harts.length];
        if (!runnable(next, now)) continue;
        if (next !== current) current.set('reservation', NO_RESERVATION);
        rotation.begin(next.index);
        return 'step';
      }
    }
    return 'idle';
  }
}

function runnable(hart: HartState, now: number): boolean {
  const hsm = hart.get32('hsm');
  if (hsm === HART_STATE.started) return hart.get32('waiting') === 0 || hart.wakes(now);
  return hsm === HART_STATE.suspended && hart.wakes(now);
}

/** Ends the suspension of a hart that has an interrupt. @returns whether it was suspended */
function resume(hart: HartState): boolean {
  if (hart.get32('hsm') !== HART_STATE.suspended) return false;
  hart.set32('hsm', HART_STATE.started);
  return true;
}
