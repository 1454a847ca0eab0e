import { HART_STATE } from '../../firmware/index.ts';
import { PAGE_SIZE } from '../../isa/layout.ts';
import { ConfigError, type MachineConfig } from '../board/config.ts';
import { type HartState, PRIVILEGE } from '../memory/hart-state.ts';
import type { MachineMemory } from '../memory/memory.ts';
import type { RamTracker } from '../memory/ram-tracker.ts';
import type { BootPlan } from './plan.ts';

/** Makes RAM zero; pages that are so already are not touched. The core must forget what it derived from it. */
export function clearRam({ pages, ramWords, absent }: MachineMemory, tracker: RamTracker): void {
  for (let page = 0; page < pages; page++) {
    if (absent.has(page)) tracker.note(page);
    const start = (page * PAGE_SIZE) / 4;
    const end = start + PAGE_SIZE / 4;
    let at = start;
    while (at < end && ramWords[at] === 0) at++;
    if (at === end) continue;
    ramWords.fill(0, start, end);
    tracker.note(page);
  }
  absent.clear();
}

/** Resets the harts and sets them at where the boot plan has them start. @throws ConfigError when it speaks of a hart that is not there */
export function startHarts(harts: readonly HartState[], config: MachineConfig, plan: BootPlan): void {
  for (const hart of harts) {
    if (config.firmware === undefined) hart.resetForSupervisor(config.isa);
    else hart.resetForMachine(config.isa);
  }
  for (const start of plan.harts) {
    const hart = harts[start.hart];
    if (hart === undefined) throw new ConfigError(`the boot plan starts hart ${start.hart}, there are ${harts.length}`);
    hart.set('pc', BigInt(start.pc));
    hart.set32('prv', start.mode === 'machine' ? PRIVILEGE.machine : PRIVILEGE.supervisor);
    hart.set32('hsm', start.started ? HART_STATE.started : HART_STATE.stopped);
    hart.set('x', BigInt(start.a0), 10);
    hart.set('x', BigInt(start.a1), 11);
    hart.set('x', BigInt(start.a2), 12);
  }
}
