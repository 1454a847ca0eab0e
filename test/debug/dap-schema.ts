import type { Message } from './dap-client.ts';

/**
 * The parts of the Debug Adapter Protocol's schema that our messages use: required and optional properties with their types, per response and
 * event (specification, "Events", "Requests", "Types"). `?` marks optional ones; a property that is not listed is a mistake.
 */
type Shape = { readonly [property: string]: string | Shape | readonly [Shape] };

const SOURCE: Shape = { 'name?': 'string', 'path?': 'string' };
const BREAKPOINT: Shape = { 'id?': 'integer', verified: 'boolean', 'message?': 'string', 'line?': 'integer', 'instructionReference?': 'string' };
const VARIABLE: Shape = { name: 'string', value: 'string', variablesReference: 'integer', 'memoryReference?': 'string' };
const BREAKPOINTS: Shape = { breakpoints: [BREAKPOINT] };
const NOTHING: Shape = {};

const RESPONSES: Readonly<Record<string, Shape>> = {
  launch: NOTHING, attach: NOTHING, configurationDone: NOTHING, pause: NOTHING, cancel: NOTHING, disconnect: NOTHING, terminate: NOTHING,
  next: NOTHING, stepIn: NOTHING, stepOut: NOTHING, stepBack: NOTHING, reverseContinue: NOTHING, goto: NOTHING,
  continue: { 'allThreadsContinued?': 'boolean' },
  setBreakpoints: BREAKPOINTS, setFunctionBreakpoints: BREAKPOINTS, setInstructionBreakpoints: BREAKPOINTS, setDataBreakpoints: BREAKPOINTS,
  setExceptionBreakpoints: { 'breakpoints?': [BREAKPOINT] },
  dataBreakpointInfo: { dataId: 'string|null', description: 'string', 'accessTypes?': 'array', 'canPersist?': 'boolean' },
  threads: { threads: [{ id: 'integer', name: 'string' }] },
  stackTrace: {
    'totalFrames?': 'integer',
    stackFrames: [{ id: 'integer', name: 'string', line: 'integer', column: 'integer', 'instructionPointerReference?': 'string', 'source?': SOURCE }],
  },
  scopes: { scopes: [{ name: 'string', variablesReference: 'integer', expensive: 'boolean', 'presentationHint?': 'string' }] },
  variables: { variables: [VARIABLE] },
  setVariable: { value: 'string' },
  evaluate: { result: 'string', variablesReference: 'integer', 'memoryReference?': 'string' },
  readMemory: { address: 'string', 'unreadableBytes?': 'integer', 'data?': 'string' },
  writeMemory: { 'bytesWritten?': 'integer' },
  disassemble: {
    instructions: [{
      address: 'string', 'instructionBytes?': 'string', instruction: 'string', 'symbol?': 'string', 'location?': SOURCE, 'line?': 'integer',
      'presentationHint?': 'string',
    }],
  },
  gotoTargets: { targets: [{ id: 'integer', label: 'string', line: 'integer', 'instructionPointerReference?': 'string' }] },
};
const EVENTS: Readonly<Record<string, Shape>> = {
  initialized: NOTHING, terminated: NOTHING,
  stopped: {
    reason: 'string', 'description?': 'string', 'threadId?': 'integer', 'text?': 'string', 'allThreadsStopped?': 'boolean', 'hitBreakpointIds?': 'array',
  },
  output: { 'category?': 'string', output: 'string' },
  progressStart: { progressId: 'string', title: 'string', 'cancellable?': 'boolean', 'percentage?': 'integer' },
  progressUpdate: { progressId: 'string', 'percentage?': 'integer' },
  progressEnd: { progressId: 'string' },
};
const ENVELOPE: Readonly<Record<string, Shape>> = {
  response: { seq: 'integer', type: 'string', request_seq: 'integer', success: 'boolean', command: 'string', 'message?': 'string', 'body?': 'any' },
  event: { seq: 'integer', type: 'string', event: 'string', 'body?': 'any' },
};
const ERROR: Shape = { 'error?': { id: 'integer', format: 'string', 'showUser?': 'boolean' } };

function fits(value: unknown, type: string): boolean {
  return type.split('|').some((t) => {
    if (t === 'any') return true;
    if (t === 'integer') return Number.isInteger(value);
    if (t === 'array') return Array.isArray(value);
    if (t === 'null') return value === null;
    return typeof value === t;
  });
}

function check(value: unknown, shape: Shape, where: string): void {
  if (typeof value !== 'object' || value === null) throw new Error(`${where}: an object was expected`);
  const rest = new Set(Object.keys(value));
  for (const [key, type] of Object.entries(shape)) {
    const optional = key.endsWith('?');
    const name = optional ? key.slice(0, -1) : key;
    const v = (value as Record<string, unknown>)[name];
    rest.delete(name);
    if (v === undefined) {
      if (!optional) throw new Error(`${where}.${name} is missing`);
      continue;
    }
    if (typeof type === 'string') {
      if (!fits(v, type)) throw new Error(`${where}.${name}: ${type} was expected, found ${JSON.stringify(v)}`);
    } else if (Array.isArray(type)) {
      if (!Array.isArray(v)) throw new Error(`${where}.${name}: a list was expected`);
      v.forEach((item, i) => check(item, type[0], `${where}.${name}[${i}]`));
    } else check(v, type as Shape, `${where}.${name}`);
  }
  if (rest.size > 0) throw new Error(`${where}: the protocol has no ${[...rest].join(', ')}`);
}

/** @throws Error naming the property that is not as the protocol has it */
export function checkMessage(m: Message): void {
  const envelope = ENVELOPE[m.type];
  if (!envelope) throw new Error(`a message of type ${m.type}`);
  check(m, envelope, m.type);
  if (m.type === 'event') {
    const shape = EVENTS[m.event!];
    if (!shape) throw new Error(`the event ${m.event} is not one of the protocol's that we send`);
    check(m.body ?? {}, shape, m.event!);
    return;
  }
  if (!m.success) return check(m.body ?? {}, ERROR, `${m.command} refused`);
  if (m.command === 'initialize') {
    for (const [name, value] of Object.entries(m.body ?? {})) {
      if (!/^supports[A-Z]\w+$/.test(name) || typeof value !== 'boolean') throw new Error(`capability ${name}`);
    }
    return;
  }
  const shape = RESPONSES[m.command!];
  if (!shape) throw new Error(`an answer to ${m.command} is not known`);
  check(m.body ?? {}, shape, m.command!);
}
