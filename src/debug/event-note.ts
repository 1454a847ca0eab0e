import { COMMAND, EVENT, type HostEvent, type Instant } from '../record/door.ts';

/** A host input of the recording. */
export interface EventNote {
  readonly index: number;
  readonly at: Instant;
  readonly port: string;
  readonly kind: string;
  /** One line for people. */
  readonly text: string;
}

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
  return { index, at, port: portName(port), kind: KINDS[kind] ?? `kind ${kind}`, text };
}
