import type { SbiConsole } from '../../devices/sbi-console.ts';
import {
  HART_STATE,
  type HsmState,
  RESET,
  RESET_REASON,
  type ResetKind,
  type ResetReason,
  type SbiHost,
} from '../../firmware/index.ts';
import { type HartState, INTERRUPT, PRIVILEGE } from '../memory/hart-state.ts';
import type { GuestRam } from '../memory/ram.ts';

const A0 = 10;
const A1 = 11;
const SSTATUS_SIE = 2n;

/** What the firmware side needs of the machine besides harts. */
export interface SbiMachineParts {
  readonly harts: readonly HartState[];
  readonly ram: GuestRam;
  readonly console: () => SbiConsole;
  /** The guest took what was typed. */
  readonly consoleWasRead: () => void;
  /** A hart's privilege or CSRs changed. */
  readonly changed: (hart: number) => void;
  readonly reset: (kind: 'poweroff' | 'reboot', failed: boolean) => void;
}

/** The machine as the SBI sees it. */
export function sbiMachine(parts: SbiMachineParts): SbiHost {
  const { harts, ram } = parts;
  const enter = (hart: HartState, address: number, opaque: bigint): void => {
    hart.set32('prv', PRIVILEGE.supervisor);
    hart.set('satp', 0n);
    hart.set('mstatus', hart.get('mstatus') & ~SSTATUS_SIE);
    hart.set('pc', BigInt(address));
    hart.set('x', BigInt(hart.index), A0);
    hart.set('x', opaque, A1);
    hart.set32('waiting', 0);
    parts.changed(hart.index);
  };
  return {
    hartCount: harts.length,
    ram,
    getReg: (hart, index) => (index === 0 ? 0n : harts[hart].get('x', index)),
    setReg(hart, index, value) {
      if (index !== 0) harts[hart].set('x', value, index);
    },
    setTimer(hart, stimeValue) {
      harts[hart].set('stimecmp', stimeValue);
      harts[hart].set32('mip', harts[hart].get32('mip') & ~INTERRUPT.STIP);
    },
    setSoftware(hart, level) {
      const mip = harts[hart].get32('mip');
      harts[hart].set32('mip', level ? mip | INTERRUPT.SSIP : mip & ~INTERRUPT.SSIP);
    },
    hartState: (hart) => harts[hart].get32('hsm') as HsmState,
    startHart(hart, address, opaque) {
      enter(harts[hart], address, opaque);
      harts[hart].set32('hsm', HART_STATE.started);
    },
    stopHart(hart) {
      harts[hart].set32('waiting', 0);
      harts[hart].set32('hsm', HART_STATE.stopped);
    },
    suspendHart(hart, resume) {
      if (resume !== undefined) enter(harts[hart], resume.address, resume.opaque);
      harts[hart].set32('hsm', HART_STATE.suspended);
    },
    reset(kind: ResetKind, reason: ResetReason) {
      parts.reset(kind === RESET.shutdown ? 'poweroff' : 'reboot', reason === RESET_REASON.systemFailure);
    },
    consoleWrite: (bytes) => parts.console().emit(bytes),
    consoleRead(max) {
      const bytes = parts.console().take(max);
      parts.consoleWasRead();
      return bytes;
    },
  };
}
