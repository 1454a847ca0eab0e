import { HART_STATE } from '../../firmware/index.ts';
import { type HartState, INTERRUPT } from '../memory/hart-state.ts';

const NEVER = 0xffff_ffff_ffff_ffffn;

/** The timers of the harts: Sstc's, or those that the firmware keeps for them. */
export class HartTimers {
  private readonly harts: readonly HartState[];
  /** With the host's SBI and without Sstc, stimecmp is the firmware's deadline, which sets STIP. */
  private readonly firmware: boolean;

  constructor(harts: readonly HartState[], firmware: boolean) {
    this.harts = harts;
    this.firmware = firmware;
  }

  /** How many of `ticks` the current hart may run from `now` on before a timer has to be looked at. */
  within(current: HartState, now: number, ticks: number): number {
    if (!this.firmware) {
      const timer = current.timerDeadline - now;
      return timer > 0 && timer < ticks ? timer : ticks;
    }
    for (const hart of this.harts) ticks = Math.min(ticks, hart.firmwareDeadline - now);
    return ticks;
  }

  /** The firmware's timers that are due set the pending bit, once. @returns whether one was */
  fire(now: number): boolean {
    if (!this.firmware) return false;
    let fired = false;
    for (const hart of this.harts) {
      if (hart.firmwareDeadline > now) continue;
      hart.set('stimecmp', NEVER);
      hart.set32('mip', hart.get32('mip') | INTERRUPT.STIP);
      fired = true;
    }
    return fired;
  }

  /** The earliest time after `now` at which a timer wakes a hart, or `otherwise` if that is earlier. */
  nextWake(now: number, otherwise: number): number {
    let next = otherwise;
    for (const hart of this.harts) {
      if (hart.get32('hsm') === HART_STATE.stopped || (hart.get32('mie') & INTERRUPT.STIP) === 0) continue;
      const at = this.firmware ? hart.firmwareDeadline : hart.timerDeadline;
      if (at > now && at < next) next = at;
    }
    return next;
  }
}
