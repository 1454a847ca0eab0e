import { eventNote } from '../../debug/event-note.ts';
import { registerNamed } from '../../debug/expression/registers.ts';
import { parseAddress } from '../../debug/monitor/commands.ts';
import { originJson } from '../../debug/origin-text.ts';
import { guestOnHart } from '../../debug/process-symbols.ts';
import { whenChanged } from '../../debug/when.ts';
import { TABLES } from '../../history/tables/index.ts';
import { findTask } from '../../linux/tasks.ts';
import { PC } from '../../machine/view/machine-view.ts';
import { readVirtual } from '../../machine/view/virtual-memory.ts';
import { jsonOutput } from '../../probe/output.ts';
import { runProbes } from '../../probe/run.ts';
import { formatInstant } from '../../record/divergence.ts';
import { type Opened, ToolError, type ToolSession } from './session.ts';

/** A parameter of a tool, as JSON Schema describes it. */
interface Parameter {
  readonly type: 'string' | 'integer';
  readonly description: string;
}

type Arguments = Readonly<Record<string, string | number | undefined>>;

/** Something a client can ask: the same over the Model Context Protocol and JSON-RPC. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly required: readonly string[];
  /** @returns a value for JSON @throws ToolError and the errors of what it uses, whose messages are for the client */
  run(session: ToolSession, args: Arguments): Promise<unknown>;
}

/** Rows and lines that an answer has at most; the rest is counted. */
const MOST = 200;
const MOST_BYTES = 4096;

const INSTANT: Parameter = {
  type: 'string',
  description:
    'where: instructions such as 1234567, 50%, guest time such as 2.5s, event:7; left out: where the session is',
};
const ADDRESS: Parameter = { type: 'string', description: 'a number, or a symbol such as jiffies_64+8' };
const PID: Parameter = { type: 'integer', description: 'the process whose address it is' };

/** Where the session is, in every answer that moves it. */
async function position({ timeline, guest }: Opened): Promise<object> {
  const { view } = timeline;
  const hart = view.activeHart();
  const task = guest.current(hart);
  return {
    instant: formatInstant(timeline.at),
    time: timeline.guestTime,
    hart,
    ...(task && { process: { pid: task.tgid, comm: task.name } }),
    place: (await guestOnHart(guest, hart)).describe(view.readRegister(hart, PC) ?? 0n),
  };
}

const text = (value: string | number | undefined): string | undefined =>
  value === undefined ? undefined : String(value);

/** The first of a list, and how many were left out. */
const cut = <T>(list: readonly T[]): { readonly list: readonly T[]; readonly more?: number } =>
  list.length <= MOST ? { list } : { list: list.slice(0, MOST), more: list.length - MOST };

/** Who wrote or read last. */
async function origin(session: ToolSession, kind: 'write' | 'read', args: Arguments): Promise<unknown> {
  const { guest, origins } = await session.at(text(args.instant));
  const what = String(args.what);
  const register = kind === 'write' && args.pid === undefined ? registerNamed(what) : undefined;
  const space = args.pid === undefined ? { hart: Number(args.hart ?? 0) } : { process: Number(args.pid) };
  const found =
    register === undefined
      ? await origins.lastAccess({
          kind,
          address: parseAddress({ guestInfo: guest }, what),
          length: Number(args.length ?? 8),
          space,
        })
      : await origins.lastRegisterWrite(Number(args.hart ?? 0), register);
  if (found === undefined || found === 'interrupted') return { found: false };
  return { found: true, ...originJson(found) };
}

/** Every tool, in the order clients list them. */
export const TOOLS: readonly Tool[] = [
  {
    name: 'open',
    description: 'Open a recording of a machine, at its end. One is open at a time.',
    parameters: { path: { type: 'string', description: 'the .hsr file' } },
    required: ['path'],
    run: async (session, { path }) => position(await session.open(String(path))),
  },
  {
    name: 'info',
    description: 'How long the recording is, its machine, and where the session is.',
    parameters: {},
    required: [],
    async run(session) {
      const { recording } = session;
      const { file, timeline } = recording;
      const { begin, end, events, view } = timeline;
      return {
        file,
        begin: formatInstant(begin),
        end: formatInstant(end),
        events: events.length,
        harts: view.harts,
        ram: view.ram.size,
        ...(await position(recording)),
      };
    },
  },
  {
    name: 'seek',
    description: 'Go to an instant. Answers of other tools name instants to go to.',
    parameters: { instant: INSTANT },
    required: ['instant'],
    run: async (session, { instant }) => position(await session.at(text(instant))),
  },
  {
    name: 'events',
    description: 'The inputs that entered the machine from outside, with their instants.',
    parameters: { from: { type: 'integer', description: 'index of the first; 0 if left out' } },
    required: [],
    async run(session, { from = 0 }) {
      const { timeline } = session.recording;
      const notes = timeline.events.slice(Number(from)).map((event, i) => {
        const note = eventNote(event, Number(from) + i, (port) => timeline.engine.portName(port));
        return { ...note, at: formatInstant(note.at) };
      });
      return cut(notes);
    },
  },
  {
    name: 'processes',
    description: "The guest's processes at an instant.",
    parameters: { instant: INSTANT },
    required: [],
    async run(session, { instant }) {
      const { guest } = await session.at(text(instant));
      return cut(guest.processes().map(({ pid, parent, name, state }) => ({ pid, parent, name, state })));
    },
  },
  {
    name: 'backtrace',
    description: 'The call stack of a hart, or of a thread of the guest by its number, innermost first.',
    parameters: {
      instant: INSTANT,
      hart: { type: 'integer', description: '0 if left out' },
      thread: { type: 'integer', description: 'a thread instead of a hart' },
    },
    required: [],
    async run(session, { instant, hart = 0, thread }) {
      const { guest } = await session.at(text(instant));
      if (thread === undefined) {
        const known = await guestOnHart(guest, checkedHart(session, hart));
        return cut(known.backtrace(Number(hart)).map((frame) => known.describeFrame(frame)));
      }
      const kernel = guest.kernel();
      const task = kernel && findTask(kernel, Number(thread));
      if (task === undefined) throw new ToolError(`there is no thread ${thread} at this instant: processes lists them`);
      const { kernel: inner, user } = guest.taskBacktrace(task);
      return cut([...inner, ...user].map((frame) => guest.describeFrame(frame)));
    },
  },
  {
    name: 'read_memory',
    description: 'Bytes of memory as hexadecimal, at most 4096.',
    parameters: {
      address: ADDRESS,
      length: { type: 'integer', description: 'bytes; 64 if left out' },
      pid: PID,
      instant: INSTANT,
    },
    required: ['address'],
    async run(session, { address, length = 64, pid, instant }) {
      const { guest, timeline } = await session.at(text(instant));
      const at = parseAddress({ guestInfo: guest }, text(address));
      const count = Number(length);
      if (!(count >= 1 && count <= MOST_BYTES)) throw new ToolError(`length ${length}: expected 1 to ${MOST_BYTES}`);
      const bytes =
        pid === undefined
          ? readVirtual(timeline.view, timeline.view.activeHart(), at, count)
          : guest.readProcess(Number(pid), at, count);
      if (bytes === undefined) throw new ToolError(`there is no process ${pid} with memory at this instant`);
      return { address: `0x${at.toString(16)}`, bytes: Buffer.from(bytes).toString('hex'), length: bytes.length };
    },
  },
  {
    name: 'who_wrote',
    description: 'The last store to memory before an instant, by a hart or a device, or the last write of a register.',
    parameters: {
      what: { type: 'string', description: 'an address, a symbol, or a register such as a0' },
      length: { type: 'integer', description: 'bytes; 8 if left out' },
      instant: INSTANT,
      pid: PID,
      hart: { type: 'integer', description: '0 if left out' },
    },
    required: ['what'],
    run: (session, args) => origin(session, 'write', args),
  },
  {
    name: 'who_reads',
    description: 'The last load from memory before an instant.',
    parameters: {
      what: ADDRESS,
      length: { type: 'integer', description: 'bytes; 8 if left out' },
      instant: INSTANT,
      pid: PID,
    },
    required: ['what'],
    run: (session, args) => origin(session, 'read', args),
  },
  {
    name: 'when',
    description:
      'The instants at which the value of an expression over symbols and memory changed, from an instant on.',
    parameters: {
      expression: { type: 'string', description: 'such as u64[jiffies_64] or u32[nr_threads] > 50' },
      instant: INSTANT,
      count: { type: 'integer', description: 'changes at most; 10 if left out' },
    },
    required: ['expression'],
    async run(session, { expression, instant, count = 10 }) {
      const { timeline, guest } = await session.at(text(instant));
      const changes: object[] = [];
      await whenChanged(timeline, guest, String(expression), ({ at, time, hart, pc, before, after }) => {
        const shown = (value: bigint | undefined): string | null =>
          value === undefined ? null : `0x${value.toString(16)}`;
        changes.push({
          instant: formatInstant(at),
          time: time / 1e9,
          hart,
          place: guest.describe(pc),
          before: shown(before),
          after: shown(after),
        });
        return changes.length < Math.min(MOST, Number(count));
      });
      return { changes };
    },
  },
  {
    name: 'query',
    description: `SQL (SQLite) over what happened. Tables: ${TABLES.map(
      ({ name, columns }) => `${name}(${columns.map((column) => column.name).join(', ')})`,
    ).join('; ')}. Bounds on instant, time (seconds) and pid make it quick.`,
    parameters: { sql: { type: 'string', description: 'one statement' } },
    required: ['sql'],
    async run(session, { sql }) {
      const { columns, rows } = await (await session.histories()).query(String(sql));
      const { list, more } = cut(rows);
      return { columns, rows: list, ...(more !== undefined && { more }) };
    },
  },
  {
    name: 'console_search',
    description: 'Lines on terminals that contain a text, with the process that printed them.',
    parameters: { text: { type: 'string', description: 'what to look for; all lines if left out' } },
    required: [],
    async run(session, { text: wanted = '' }) {
      const { rows } = await (await session.histories()).query('select instant, time, pid, comm, line from console');
      const found = rows.filter((row) => String(row[4]).includes(String(wanted)));
      return cut(found.map(([instant, time, pid, comm, line]) => ({ instant, time, pid, comm, line })));
    },
  },
  {
    name: 'probe',
    description:
      "Run a script in bpftrace's language over the whole recording: kprobe, kretprobe, tracepoint:syscalls, interval, maps …",
    parameters: {
      script: { type: 'string', description: 'such as kprobe:vfs_read { @[comm] = count(); }' },
      instant: INSTANT,
    },
    required: ['script'],
    async run(session, { script, instant }) {
      const { timeline, guest } = session.recording;
      await session.at(text(instant) ?? '0%');
      const lines: unknown[] = [];
      let more = 0;
      const output = jsonOutput((line) => {
        if (lines.length < MOST) lines.push(JSON.parse(line));
        else more++;
      });
      const { hits } = await runProbes(timeline, guest, String(script), output);
      return { output: lines, hits, ...(more > 0 && { more }) };
    },
  },
];

/** @throws ToolError for a hart that is not there */
function checkedHart({ recording }: ToolSession, hart: string | number): number {
  const { harts } = recording.timeline.view;
  const number = Number(hart);
  if (!(Number.isInteger(number) && number >= 0 && number < harts))
    throw new ToolError(`there is no hart ${hart}: expected 0 to ${harts - 1}`);
  return number;
}

/** The arguments of a call, as the tool takes them. @throws ToolError naming what is missing, not known or of another type */
export function checkArguments({ name, parameters, required }: Tool, given: unknown): Arguments {
  const args = (given ?? {}) as Record<string, unknown>;
  if (typeof args !== 'object' || Array.isArray(args))
    throw new ToolError(`${name}: expected its arguments as an object`);
  for (const key of required) if (args[key] === undefined) throw new ToolError(`${name}: ${key} is missing`);
  for (const [key, value] of Object.entries(args)) {
    const parameter = Object.hasOwn(parameters, key) ? parameters[key] : undefined;
    if (parameter === undefined)
      throw new ToolError(`${name} has no argument ${key}: expected ${Object.keys(parameters).join(', ') || 'none'}`);
    const right =
      parameter.type === 'integer'
        ? Number.isSafeInteger(value)
        : typeof value === 'string' || typeof value === 'number';
    if (!right)
      throw new ToolError(
        `${name}: ${key} is ${JSON.stringify(value)}: expected ${parameter.type === 'integer' ? 'a whole number' : 'text'}`,
      );
  }
  return args as Arguments;
}
