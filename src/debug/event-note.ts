import { COMMAND, EVENT, type HostEvent } from '../record/door.ts';
import type { EventNote } from './target.ts';

const KINDS = Object.fromEntries(Object.entries(EVENT).map(([name, number]) => [number, name.toLowerCase()]));
const COMMANDS = Object.fromEntries(
  Object.entries(COMMAND).map(([name, number]) => [number, name.toLowerCase().replace('_', ' ')]),
);
const SHOWN = 40;

/** An event of a recording in a debugger's words. */
export function eventNote(event: HostEvent, index: number, portName: (port: number) => string): EventNote {
  const { kind, payload, port, at } = event;
  let text = `${payload.length} bytes`;
  if (kind === EVENT.COMMAND) text = COMMANDS[payload[0]] ?? text;
  else if (kind === EVENT.INPUT)
    text = JSON.stringify(String.fromCharCode(...payload.subarray(0, SHOWN))) + (payload.length > SHOWN ? '…' : '');
  return { index, instant: at.instructions, port: portName(port), kind: KINDS[kind] ?? `kind ${kind}`, text };
}
