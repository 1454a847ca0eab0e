import { COMMAND, EVENT, type HostEvent } from '../../record/door.ts';
import type { Engine } from './engine.ts';

/** Does what a recording says happened here. @throws DivergenceError when this machine does it otherwise */
export function replayEvent(engine: Engine, event: HostEvent): void {
  const { payload, port } = event;
  if (event.time !== engine.time) throw engine.diverged('guest time of an event', `${event.time}`, `${engine.time}`);
  switch (event.kind) {
    case EVENT.INPUT: {
      const taken = engine.input(port, payload);
      if (taken !== payload.length)
        throw engine.diverged(`input of ${engine.portName(port)}`, `${payload.length} bytes taken`, `${taken}`);
      return;
    }
    case EVENT.CONTROL:
      return engine.control(port, payload);
    case EVENT.WARP:
      return engine.warp(Number(new DataView(payload.buffer, payload.byteOffset).getBigUint64(0, true)));
    case EVENT.COMMAND:
      if (payload[0] === COMMAND.RESET || payload[0] === COMMAND.POWER_OFF) return engine.command(payload[0]);
      if (!engine.debugWrite(payload))
        throw engine.diverged("a debugger's write", 'a place and a value that are there', 'none such');
  }
}
