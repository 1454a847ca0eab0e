import { type Command, EVENT, type Input, MACHINE_PORT } from './door.ts';

/** Bytes for a device. @param port its index, or TERMINAL_PORT */
export const deviceInput = (port: number, bytes: Uint8Array): Input => ({ port, kind: EVENT.INPUT, payload: bytes });

/** A command for a device, as the device defines it. */
export const deviceCommand = (port: number, command: Uint8Array): Input => ({
  port,
  kind: EVENT.CONTROL,
  payload: command,
});

/** Guest time moves on by `ticks`, a positive integer, without an instruction. @throws RangeError */
export function timeWarp(ticks: number): Input {
  if (!(Number.isSafeInteger(ticks) && ticks > 0))
    throw new RangeError(`warp of ${ticks} ticks: expected a positive integer`);
  const payload = new Uint8Array(8);
  new DataView(payload.buffer).setBigUint64(0, BigInt(ticks), true);
  return { port: MACHINE_PORT, kind: EVENT.WARP, payload };
}

/** One of the user's switches. */
export const userCommand = (command: Command): Input => machineCommand(Uint8Array.of(command));

/** A command to the machine as a whole. */
export const machineCommand = (payload: Uint8Array): Input => ({ port: MACHINE_PORT, kind: EVENT.COMMAND, payload });
