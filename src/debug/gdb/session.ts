import { fromHex, toHex } from '../../bytes/hex.ts';
import { PC, PRV } from '../../machine/view/machine-view.ts';
import { compareInstants } from '../../record/door.ts';
import type { Breakpoint, BreakpointKind } from '../../timeline/breakpoints.ts';
import type { MoveResult } from '../../timeline/mover.ts';
import type { StepOptions } from '../../timeline/steps.ts';
import { ClientSettings, type Monitor } from '../monitor/monitor.ts';
import { DebugError, type DebugTarget } from '../target.ts';
import { agentCondition } from './agent.ts';
import { encodePacket, fromLatin1, hex64, latin1, PACKET_SIZE, PacketReader } from './packets.ts';
import { GENERAL, registerByNumber, targetXml } from './registers.ts';
import { memoryMapXml, threadsXml } from './xml.ts';

/*
 * gdb takes RISC-V watchpoints to stop before the access takes effect and makes a step of its own to see it: so forward we stop before
 * the instruction, and backward after it.
 */

/** Options of moves: what stops them, the signal, and whether interrupts are gone over. */
type GdbMove = Pick<StepOptions, 'signal' | 'overInterrupts'> & { readonly points: readonly Breakpoint[] };

/** What a session is given. */
export interface GdbSessionOptions {
  /** Answers `monitor` commands. */
  readonly monitor: Monitor;
  /** Sends bytes to gdb. */
  readonly send: (bytes: Uint8Array) => void;
  /** gdb detached, killed the target or broke the protocol: the transport is to be closed. */
  readonly close: () => void;
  /** A write to the past makes a branch instead of being refused. */
  readonly autoBranch?: boolean;
}

/** Most bytes read or written by one packet. */
const MAX_TRANSFER = PACKET_SIZE / 2 - 16;
const MAX_POINTS = 60;
/** Errors as gdb shows them: numbers are errno's (ENOENT, EFAULT, EINVAL, ENOSPC). */
const ERROR = { register: 'E02', memory: 'E0e', argument: 'E16', full: 'E1c' } as const;
const KINDS: readonly BreakpointKind[] = ['execute', 'execute', 'write', 'read', 'access'];
const FEATURES = [
  `PacketSize=${PACKET_SIZE.toString(16)}`,
  'QStartNoAckMode+',
  'qXfer:features:read+',
  'qXfer:memory-map:read+',
  'qXfer:threads:read+',
  'vContSupported+',
  'ReverseStep+',
  'ReverseContinue+',
  'swbreak+',
  'hwbreak+',
  'ConditionalBreakpoints+',
  'error-message+',
].join(';');

interface Inserted {
  readonly type: number;
  readonly point: Breakpoint;
}

/**
 * One debugger's conversation in the gdb remote serial protocol ("Debugging with GDB", appendix "Remote Protocol"), as a function of
 * bytes: any transport carries it. Threads are harts (thread n is hart n − 1).
 */
export class GdbSession {
  private readonly reader = new PacketReader();
  private readonly points = new Map<string, Inserted>();
  private readonly target: DebugTarget;
  private readonly options: GdbSessionOptions;
  private readonly settings = new ClientSettings();
  private ackMode = true;
  private running: AbortController | undefined;
  private work: Promise<void> = Promise.resolve();
  private closed = false;
  private pending = 0;
  private lastSent: Uint8Array | undefined;
  private general = 0;
  private control = 0;
  private physical = false;
  private errorText = false;
  private lastStop: MoveResult;

  constructor(target: DebugTarget, options: GdbSessionOptions) {
    this.target = target;
    this.options = options;
    this.general = target.activeHart();
    this.control = this.general;
    this.lastStop = { reason: 'there', at: target.instant, hart: this.general };
  }

  /** Takes bytes from gdb. */
  push(bytes: Uint8Array): void {
    for (const item of this.reader.push(bytes)) {
      if (this.closed) return;
      switch (item.kind) {
        case 'packet':
          if (this.ackMode) this.options.send(latin1('+'));
          this.enqueue(item.data);
          break;
        case 'oversized':
          if (this.ackMode) this.options.send(latin1('+'));
          this.reply(ERROR.argument);
          break;
        case 'bad':
          if (this.ackMode) this.options.send(latin1('-'));
          break;
        case 'nak':
          if (this.ackMode && this.lastSent) this.options.send(this.lastSent);
          break;
        case 'interrupt':
          this.running?.abort();
          break;
        case 'ack':
          break;
      }
    }
  }

  /** The transport is gone: a move under way is given up, points are taken out. Resolves when nothing runs any more. */
  async end(): Promise<void> {
    this.closed = true;
    this.running?.abort();
    await this.work;
  }

  private enqueue(data: Uint8Array): void {
    // A client that sends without waiting for answers is not gdb.
    if (++this.pending > 256) {
      this.closed = true;
      this.running?.abort();
      this.options.close();
      return;
    }
    this.work = this.work
      .then(() =>
        this.options.monitor.exclusively(async () => {
          this.pending--;
          if (this.closed) return;
          let answer: string | Uint8Array | undefined;
          try {
            answer = await this.handle(data);
          } catch (e) {
            if (!(e instanceof DebugError)) throw e;
            answer = this.refusal(e.message);
          }
          if (answer !== undefined && !this.closed) this.reply(answer);
        }),
      )
      .catch((e: unknown) => {
        this.reply(this.refusal(e instanceof Error ? e.message : String(e)));
      });
  }

  private reply(data: string | Uint8Array): void {
    this.lastSent = encodePacket(data);
    this.options.send(this.lastSent);
  }

  private refusal(message: string): string {
    // Text errors are understood by every gdb for memory and registers; others show the number.
    return this.errorText ? `E.${message.replace(/[^\x20-\x7e]/g, '?')}` : 'E01';
  }

  private handle(data: Uint8Array): string | Uint8Array | undefined | Promise<string | Uint8Array | undefined> {
    const text = fromLatin1(data);
    const rest = text.slice(1);
    const { mover } = this.target;
    switch (text[0]) {
      case '?':
        return this.stopReply(this.lastStop);
      case 'g':
        return GENERAL.map((id) => this.registerHex(this.general, id)).join('');
      case 'G':
        return this.writeGeneral(rest);
      case 'p':
        return this.readRegister(parseInt(rest, 16));
      case 'P':
        return this.writeRegister(rest);
      case 'm':
        return this.readMemory(rest);
      case 'M':
        return this.writeMemory(rest);
      case 'X':
        return this.writeBinary(data);
      case 'H':
        return this.setThread(rest);
      case 'T':
        return this.harts(parseInt(rest, 16)) === undefined ? ERROR.argument : 'OK';
      case 'Z':
        return this.insert(rest);
      case 'z':
        return this.remove(rest);
      case 'c':
        return this.resume('continue', this.control, rest);
      case 'C':
        return this.resume('continue', this.control, rest.split(';')[1] ?? '');
      case 's':
        return this.resume('step', this.control, rest);
      case 'S':
        return this.resume('step', this.control, rest.split(';')[1] ?? '');
      case 'b':
        if (rest === 'c') return this.move((o) => mover.reverseContinue(o.points, { ...o, watch: 'after' }));
        if (rest === 's') return this.move((o) => mover.reverseStep(1, { ...o, hart: this.control, watch: 'after' }));
        return '';
      case 'D':
        this.points.clear();
        return 'OK';
      case 'k':
        this.options.close();
        return undefined;
      case 'v':
        return this.verbose(rest);
      case 'q':
        return this.query(text);
      case 'Q':
        if (text === 'QStartNoAckMode') {
          this.reply('OK');
          this.ackMode = false;
          return undefined;
        }
        if (text.startsWith('Qqemu.PhyMemMode:')) {
          this.physical = text.endsWith('1');
          return 'OK';
        }
        return '';
      default:
        return '';
    }
  }

  // --- threads

  private harts(thread: number): number | undefined {
    return Number.isInteger(thread) && thread >= 1 && thread <= this.target.harts ? thread - 1 : undefined;
  }

  private setThread(rest: string): string {
    const id = rest.slice(1) === '-1' ? 0 : parseInt(rest.slice(1), 16);
    const hart = id === 0 ? this.target.activeHart() : this.harts(id);
    if (hart === undefined) return ERROR.argument;
    if (rest[0] === 'g') this.general = hart;
    else if (rest[0] === 'c') this.control = id === 0 ? this.general : hart;
    else return ERROR.argument;
    return 'OK';
  }

  // --- registers

  private registerHex(hart: number, id: (typeof GENERAL)[number]): string {
    const value = this.target.readRegister(hart, id);
    return value === undefined ? 'x'.repeat(16) : hex64(value);
  }

  private readRegister(n: number): string {
    const id = registerByNumber(n);
    return id === undefined ? ERROR.register : this.registerHex(this.general, id);
  }

  private async writeRegister(rest: string): Promise<string> {
    const [n, value] = rest.split('=');
    const id = registerByNumber(parseInt(n, 16));
    const bytes = fromHex(value ?? '');
    if (id === undefined || bytes?.length !== 8) return ERROR.argument;
    await this.writable();
    this.target.writeRegister(this.general, id, new DataView(bytes.buffer).getBigUint64(0, true));
    return 'OK';
  }

  private async writeGeneral(rest: string): Promise<string> {
    const bytes = fromHex(rest);
    if (bytes === undefined || bytes.length % 8 !== 0 || bytes.length > GENERAL.length * 8) return ERROR.argument;
    await this.writable();
    const view = new DataView(bytes.buffer);
    for (let i = 1; i < bytes.length / 8; i++)
      this.target.writeRegister(this.general, GENERAL[i], view.getBigUint64(i * 8, true));
    return 'OK';
  }

  private async writable(): Promise<void> {
    if (this.target.readOnly && this.options.autoBranch) await this.target.branch();
  }

  // --- memory

  private range(text: string): { address: bigint; length: number } | undefined {
    const m = /^([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,8})$/.exec(text);
    return m ? { address: BigInt(`0x${m[1]}`), length: parseInt(m[2], 16) } : undefined;
  }

  private readMemory(rest: string): string {
    const r = this.range(rest);
    if (!r) return ERROR.argument;
    const length = Math.min(r.length, MAX_TRANSFER);
    const bytes = this.physical
      ? this.target.readPhysical(r.address, length)
      : this.options.monitor.readVirtual(this.general, r.address, length, this.settings);
    return bytes.length === 0 && length > 0 ? ERROR.memory : toHex(bytes);
  }

  private async store(address: bigint, bytes: Uint8Array): Promise<string> {
    if (bytes.length === 0) return 'OK';
    await this.writable();
    const written = this.physical
      ? this.target.writePhysical(address, bytes)
      : this.target.writeVirtual(this.general, address, bytes);
    return written === bytes.length ? 'OK' : ERROR.memory;
  }

  private writeMemory(rest: string): string | Promise<string> {
    const [head, data] = rest.split(':');
    const r = this.range(head);
    const bytes = fromHex(data ?? '');
    return !r || bytes?.length !== r.length ? ERROR.argument : this.store(r.address, bytes);
  }

  private writeBinary(data: Uint8Array): string | Promise<string> {
    const colon = data.indexOf(0x3a);
    const r = colon < 0 ? undefined : this.range(fromLatin1(data.subarray(1, colon)));
    const bytes = data.subarray(colon + 1);
    return r?.length !== bytes.length ? ERROR.argument : this.store(r.address, bytes);
  }

  // --- breakpoints and watchpoints

  private insert(rest: string): string {
    const [head, ...conditions] = rest.split(';');
    const m = /^([0-9]),([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,8})$/.exec(head);
    if (!m) return ERROR.argument;
    const type = Number(m[1]);
    if (type > 4) return '';
    const key = `${type},${m[2]}`;
    if (this.points.size >= MAX_POINTS && !this.points.has(key)) return ERROR.full;
    const start = BigInt(`0x${m[2]}`);
    const length = type < 2 ? 1n : BigInt(Math.max(1, parseInt(m[3], 16)));
    const tests: ((view: Parameters<NonNullable<Breakpoint['when']>>[0], hart: number) => boolean)[] = [];
    for (const c of conditions) {
      if (c.startsWith('cmds:')) return ERROR.argument;
      // X len,expr — several expressions may follow each other
      const x = /^X([0-9a-fA-F]+),([0-9a-fA-F]*)/.exec(c);
      const code = x ? fromHex(x[2]) : undefined;
      if (!x || code?.length !== parseInt(x[1], 16)) return ERROR.argument;
      tests.push(
        agentCondition(code, (view, hart, n) => {
          const id = registerByNumber(n);
          return id === undefined ? undefined : view.readRegister(hart, id);
        }),
      );
    }
    this.points.set(key, {
      type,
      point: {
        kind: KINDS[type],
        start,
        end: start + length,
        ...(tests.length === 0 ? {} : { when: (view, hart) => tests.some((t) => t(view, hart)) }),
      },
    });
    return 'OK';
  }

  private remove(rest: string): string {
    const m = /^([0-9]),([0-9a-fA-F]{1,16}),/.exec(rest);
    if (!m) return ERROR.argument;
    this.points.delete(`${m[1]},${m[2]}`);
    return 'OK';
  }

  // --- moves

  private verbose(rest: string): string | undefined | Promise<string | Uint8Array | undefined> {
    if (rest === 'Cont?') return 'vCont;c;C;s;S;r';
    if (rest.startsWith('Cont;')) return this.vCont(rest.slice(5));
    if (rest.startsWith('Kill')) {
      this.reply('OK');
      this.options.close();
      return undefined;
    }
    if (rest === 'CtrlC') {
      this.running?.abort();
      return 'OK';
    }
    return '';
  }

  /** The first action that steps one thread decides; harts are never held back (contract 9: their rotation is the machine's). */
  private vCont(text: string): string | Promise<string | undefined> {
    for (const action of text.split(';')) {
      const m = /^([cCsSr])([0-9a-fA-F,]*)(?::(p[0-9a-f]+\.)?(-?[0-9a-fA-F]+))?$/.exec(action);
      if (!m) return ERROR.argument;
      const kind = m[1].toLowerCase();
      if (kind === 'c') continue;
      const thread = m[4] === undefined || m[4] === '-1' || m[4] === '0' ? this.general + 1 : parseInt(m[4], 16);
      const hart = this.harts(thread);
      if (hart === undefined) return ERROR.argument;
      if (kind === 's') return this.step(hart);
      const [from, to] = m[2].split(',').map((v) => BigInt(`0x${v || '0'}`));
      return this.step(hart, [from, to ?? from]);
    }
    return this.goOn();
  }

  private async resume(what: 'step' | 'continue', hart: number, address: string): Promise<string | undefined> {
    if (address !== '') {
      await this.writable();
      this.target.writeRegister(hart, PC, BigInt(`0x${address}`));
    }
    return what === 'step' ? this.step(hart) : this.goOn();
  }

  private step(hart: number, range?: readonly [bigint, bigint]): Promise<string> {
    return this.move((o) => this.target.mover.step(1, { ...o, hart, ...(range && { range }) }));
  }

  /** gdb steps over a watchpoint by itself once it was reported. */
  private goOn(): Promise<string> {
    return this.move((o) => this.target.mover.continue(o.points, { ...o, fromHere: true }));
  }

  private async move(go: (o: GdbMove) => Promise<MoveResult>): Promise<string> {
    this.running = new AbortController();
    const own = [...this.points.values()].map((p) => p.point);
    const points = this.options.monitor.restricted(own, this.settings);
    const { signal } = this.running;
    try {
      const end = await go({ points, signal, overInterrupts: this.settings.overInterrupts });
      const at = end.hit ? points.indexOf(end.hit.point) : -1;
      this.lastStop = end.hit && at >= 0 ? { ...end, hit: { ...end.hit, point: own[at] } } : end;
    } finally {
      this.running = undefined;
    }
    this.general = this.lastStop.hart;
    this.control = this.general;
    return this.stopReply(this.lastStop);
  }

  private stopReply(stop: MoveResult): string {
    if (stop.reason === 'halted') return 'W00';
    const thread = `thread:${(stop.hart + 1).toString(16)};`;
    const signal = stop.reason === 'interrupted' ? '02' : '05';
    return `T${signal}${this.reason(stop)}${thread}`;
  }

  private reason({ reason, hit }: MoveResult): string {
    if (reason === 'begin') return 'replaylog:begin;';
    if (reason === 'end') return 'replaylog:end;';
    if (!hit) return '';
    const { point, address } = hit;
    if (point.kind === 'execute') {
      const hard = [...this.points.values()].some((p) => p.point === point && p.type === 1);
      return hard ? 'hwbreak:;' : 'swbreak:;';
    }
    const name = { write: 'watch', read: 'rwatch', access: 'awatch' }[point.kind];
    return `${name}:${(address ?? point.start).toString(16)};`;
  }

  // --- queries

  private query(text: string): string | Uint8Array | Promise<string | Uint8Array | undefined> {
    const [name] = text.split(/[:,;]/, 1);
    switch (name) {
      case 'qSupported':
        this.errorText = true;
        return FEATURES;
      case 'qAttached':
        return '1';
      case 'qC':
        return `QC${(this.general + 1).toString(16)}`;
      case 'qfThreadInfo':
        return `m${Array.from({ length: this.target.harts }, (_, i) => (i + 1).toString(16)).join(',')}`;
      case 'qsThreadInfo':
        return 'l';
      case 'qThreadExtraInfo': {
        const hart = this.harts(parseInt(text.split(',')[1], 16));
        return hart === undefined ? ERROR.argument : toHex(latin1(this.describe(hart)));
      }
      case 'qSymbol':
        return 'OK';
      case 'qXfer':
        return this.transfer(text);
      case 'qRcmd':
        return this.command(text);
      case 'qqemu.PhyMemMode':
        return this.physical ? '1' : '0';
      default:
        return '';
    }
  }

  private describe(hart: number): string {
    const prv = this.target.readRegister(hart, PRV);
    const level = prv === 0n ? 'U' : prv === 1n ? 'S' : 'M';
    return [level, this.options.monitor.hartNote(hart)].filter((s) => s !== '').join(' ');
  }

  private transfer(text: string): string | Uint8Array {
    const m = /^qXfer:([a-z-]+):read:([^:]*):([0-9a-fA-F]+),([0-9a-fA-F]+)$/.exec(text);
    if (!m) return '';
    const document = this.document(m[1], m[2]);
    if (document === undefined) return 'E00';
    const bytes = new TextEncoder().encode(document);
    const from = parseInt(m[3], 16);
    const part = bytes.subarray(from, from + Math.min(parseInt(m[4], 16), MAX_TRANSFER));
    const out = new Uint8Array(part.length + 1);
    out[0] = from + part.length < bytes.length ? 0x6d : 0x6c;
    out.set(part, 1);
    return out;
  }

  private document(object: string, annex: string): string | undefined {
    if (object === 'features' && annex === 'target.xml') return targetXml();
    if (object === 'memory-map' && annex === '') return memoryMapXml(this.target, this.physical);
    if (object === 'threads' && annex === '') {
      return threadsXml(
        Array.from({ length: this.target.harts }, (_, hart) => ({
          id: hart + 1,
          core: hart,
          note: this.describe(hart),
        })),
      );
    }
    return undefined;
  }

  private async command(text: string): Promise<string | undefined> {
    const bytes = fromHex(text.slice('qRcmd,'.length));
    if (!bytes) return ERROR.argument;
    this.running = new AbortController();
    const before = this.target.instant;
    const output = await this.options.monitor
      .run(new TextDecoder().decode(bytes), {
        hart: this.general,
        settings: this.settings,
        signal: this.running.signal,
        physical: (on) => {
          if (on !== undefined) this.physical = on;
          return this.physical;
        },
      })
      .finally(() => {
        this.running = undefined;
      });
    const said = new TextEncoder().encode(output);
    for (let at = 0; at < said.length; at += MAX_TRANSFER - 1)
      this.reply(`O${toHex(said.subarray(at, at + MAX_TRANSFER - 1))}`);
    if (compareInstants(this.target.instant, before) !== 0) {
      // The hart that was looked at may sleep here.
      this.general = this.target.activeHart();
      this.control = this.general;
      this.reply(
        `O${toHex(latin1('(gdb has not seen this move: type `maintenance flush register-cache`, then `info registers pc`)\n'))}`,
      );
    }
    return 'OK';
  }
}
