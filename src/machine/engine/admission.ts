import type { Core } from '../../core/core.ts';
import { COMMAND, type Door, EVENT, type Input, TERMINAL_PORT, type Witness } from '../../record/door.ts';
import type { Board } from '../board/board.ts';
import type { HartState } from '../memory/hart-state.ts';
import type { GuestRam } from '../memory/ram.ts';
import { applyWrite } from './debug-write.ts';
import type { Progress } from './progress.ts';

/** What inputs may change. */
export interface AdmissionParts {
  readonly door: Door;
  readonly board: Board;
  readonly progress: Progress;
  readonly harts: readonly HartState[];
  readonly ram: GuestRam;
  /** The core that is attached now. */
  readonly core: () => Core;
}

/** Lets in what the door has, between two instructions, and reports to the door what became of it. */
export class Admission {
  private readonly parts: AdmissionParts;

  constructor(parts: AdmissionParts) {
    this.parts = parts;
  }

  /** Lets one input in, a boundary step. @returns whether the door had one */
  one(machine: Witness): boolean {
    const { door, board, progress } = this.parts;
    const { instant: at, time } = machine;
    const input = door.take(machine);
    if (input === undefined) return false;
    const { kind, payload } = input;
    const port = input.port === TERMINAL_PORT ? terminal(board) : input.port;
    const outcome = this.apply(kind, port, payload, machine);
    if (typeof outcome === 'string') door.refused(input, port, outcome, machine);
    else if (outcome === 0) door.refused(input, port, undefined, machine);
    else {
      door.entered(input, { at, time, port, kind, payload: payload.subarray(0, outcome) }, machine);
      progress.steps++;
    }
    return true;
  }

  /** The guest touched a device: it may have room for input that waits. */
  touched(port: number): void {
    if (this.parts.door.touched(port)) this.parts.progress.attention();
  }

  /** The guest read SBI's console: what was typed for the serial port before is for this console from then on. */
  touchedConsole(): void {
    const { uart, sbiConsoleId } = this.parts.board;
    this.touched(uart);
    this.touched(sbiConsoleId);
  }

  /** @returns how many bytes of the payload were taken, or why none ever will be */
  private apply(kind: Input['kind'], port: number, payload: Uint8Array, machine: Witness): number | string {
    const { board, progress, harts, ram, core } = this.parts;
    switch (kind) {
      case EVENT.INPUT:
        return board.ports[port]?.input?.(payload) ?? 0;
      case EVENT.CONTROL:
        return this.control(port, payload, machine) ?? payload.length;
      case EVENT.WARP:
        progress.skip(Number(new DataView(payload.buffer, payload.byteOffset).getBigUint64(0, true)));
        return payload.length;
      case EVENT.COMMAND:
        if (payload[0] === COMMAND.RESET || payload[0] === COMMAND.POWER_OFF) progress.obey(payload[0]);
        else if (!applyWrite({ harts, ram, core: core() }, payload)) return 'there is no such place, register or value';
        return payload.length;
    }
  }

  /** Gives a device a command. @returns why it is refused, if it is */
  private control(port: number, command: Uint8Array, machine: Witness): string | undefined {
    const slot = this.parts.board.slots[port];
    if (slot?.device.control === undefined) return `${machine.portName(port)} knows no commands`;
    try {
      slot.device.control(command);
      return undefined;
    } catch (error) {
      if (error instanceof RangeError) return error.message;
      throw error;
    }
  }
}

/** Port of the console that the guest reads. */
const terminal = ({ sbiConsole, sbiConsoleId, uart }: Board): number => (sbiConsole.reading ? sbiConsoleId : uart);
