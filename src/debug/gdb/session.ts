import { fromHex, toHex } from '../../bytes/hex.ts';
import { PC } from '../../machine/view/machine-view.ts';
import { compareInstants } from '../../record/door.ts';
import { type Inferior, type InferiorMove, type InferiorStop, WholeMachine } from '../inferior.ts';
import { ClientSettings, type Monitor } from '../monitor/monitor.ts';
import { Process } from '../process.ts';
import { DebugError, type DebugTarget } from '../target.ts';
import { readDocument } from './documents.ts';
import { HostFiles } from './files.ts';
import { ERROR, encodePacket, fromLatin1, hex64, latin1, PACKET_SIZE, PacketReader } from './packets.ts';
import { InsertedPoints } from './points.ts';
import { GENERAL, registerByNumber } from './registers.ts';

/*
 * gdb takes RISC-V watchpoints to stop before the access takes effect and makes a step of its own to see it: so forward we stop before
 * the instruction, and backward after it.
 */

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
  /** The process to begin with instead of the whole machine. */
  readonly process?: number;
}

/** Most bytes read or written by one packet. */
const MAX_TRANSFER = PACKET_SIZE / 2 - 16;
/** Signals by gdb's numbers (include/gdb/signals.def) where they differ from Linux's. */
const GDB_SIGNALS: Readonly<Record<number, number>> = { 7: 10, 10: 30, 12: 31, 17: 20, 18: 19, 19: 17, 20: 18 };
const SIGINT = 2;
const SIGTRAP = 5;
const FEATURES = [
  `PacketSize=${PACKET_SIZE.toString(16)}`,
  'QStartNoAckMode+',
  'qXfer:features:read+',
  'qXfer:memory-map:read+',
  'qXfer:threads:read+',
  'qXfer:osdata:read+',
  'qXfer:auxv:read+',
  'qXfer:exec-file:read+',
  'vContSupported+',
  'ReverseStep+',
  'ReverseContinue+',
  'swbreak+',
  'hwbreak+',
  'ConditionalBreakpoints+',
  'error-message+',
  'exec-events+',
].join(';');

/**
 * One debugger's conversation in the gdb remote serial protocol ("Debugging with GDB", appendix "Remote Protocol"), as a function of
 * bytes: any transport carries it. Threads are harts (thread n is hart n − 1), or those of the process that is attached to.
 */
export class GdbSession {
  private readonly reader = new PacketReader();
  private readonly points = new InsertedPoints();
  private readonly target: DebugTarget;
  private readonly options: GdbSessionOptions;
  private readonly settings = new ClientSettings();
  private readonly files = new HostFiles((path) => this.settings.attached?.readFile(path));
  private ackMode = true;
  private running: AbortController | undefined;
  private work: Promise<void> = Promise.resolve();
  private closed = false;
  private pending = 0;
  private lastSent: Uint8Array | undefined;
  private general: number;
  private control: number;
  private readonly machine: WholeMachine;
  private physical = false;
  private errorText = false;
  private lastStop: InferiorStop;

  constructor(target: DebugTarget, options: GdbSessionOptions) {
    this.target = target;
    this.options = options;
    this.machine = new WholeMachine(target, options.monitor, this.settings);
    if (options.process !== undefined)
      this.settings.attached = new Process(
        target,
        options.monitor.guestInfo,
        options.process,
        () => this.settings.followChild,
      );
    this.general = this.inferior.activeThread();
    this.control = this.general;
    this.lastStop = { reason: 'there', thread: this.general };
  }

  private get inferior(): Inferior {
    return this.settings.attached ?? this.machine;
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
    switch (text[0]) {
      case '!':
        return 'OK';
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
        return this.isThread(parseInt(rest, 16)) ? 'OK' : ERROR.argument;
      case 'Z':
        return this.points.insert(rest);
      case 'z':
        return this.points.remove(rest);
      case 'c':
        return this.resume('continue', this.control, rest);
      case 'C':
        return this.resume('continue', this.control, rest.split(';')[1] ?? '');
      case 's':
        return this.resume('step', this.control, rest);
      case 'S':
        return this.resume('step', this.control, rest.split(';')[1] ?? '');
      case 'b':
        if (rest === 'c') return this.move((inferior, o) => inferior.reverseContinue({ ...o, watch: 'after' }));
        if (rest === 's')
          return this.move((inferior, o) => inferior.reverseStep(this.control, { ...o, watch: 'after' }));
        return '';
      case 'D':
        this.points.clear();
        this.settings.attached = undefined;
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

  private isThread(id: number): boolean {
    return this.inferior.threads().some((t) => t.id === id);
  }

  private setThread(rest: string): string {
    const id = rest.slice(1) === '-1' ? 0 : parseInt(rest.slice(1), 16);
    if (id !== 0 && !this.isThread(id)) return ERROR.argument;
    const thread = id === 0 ? this.inferior.activeThread() : id;
    if (rest[0] === 'g') this.general = thread;
    else if (rest[0] === 'c') this.control = id === 0 ? this.general : thread;
    else return ERROR.argument;
    return 'OK';
  }

  // --- registers

  private registerHex(thread: number, id: (typeof GENERAL)[number]): string {
    const value = this.inferior.readRegister(thread, id);
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
    this.inferior.writeRegister(this.general, id, new DataView(bytes.buffer).getBigUint64(0, true));
    return 'OK';
  }

  private async writeGeneral(rest: string): Promise<string> {
    const bytes = fromHex(rest);
    if (bytes === undefined || bytes.length % 8 !== 0 || bytes.length > GENERAL.length * 8) return ERROR.argument;
    await this.writable();
    const view = new DataView(bytes.buffer);
    for (let i = 1; i < bytes.length / 8; i++)
      this.inferior.writeRegister(this.general, GENERAL[i], view.getBigUint64(i * 8, true));
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
      : this.inferior.readMemory(this.general, r.address, length);
    return bytes.length === 0 && length > 0 ? ERROR.memory : toHex(bytes);
  }

  private async store(address: bigint, bytes: Uint8Array): Promise<string> {
    if (bytes.length === 0) return 'OK';
    await this.writable();
    const written = this.physical
      ? this.target.writePhysical(address, bytes)
      : this.inferior.writeMemory(this.general, address, bytes);
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

  // --- moves

  private verbose(rest: string): string | Uint8Array | undefined | Promise<string | Uint8Array | undefined> {
    if (rest === 'Cont?') return 'vCont;c;C;s;S;r';
    if (rest.startsWith('Cont;')) return this.vCont(rest.slice(5));
    if (rest.startsWith('File:')) return this.files.answer(rest.slice(5));
    if (rest.startsWith('Attach;')) return this.attach(parseInt(rest.slice(7), 16));
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
      const thread = m[4] === undefined || m[4] === '-1' || m[4] === '0' ? this.general : parseInt(m[4], 16);
      if (!this.isThread(thread)) return ERROR.argument;
      if (kind === 's') return this.step(thread);
      const [from, to] = m[2].split(',').map((v) => BigInt(`0x${v || '0'}`));
      return this.step(thread, [from, to ?? from]);
    }
    return this.goOn();
  }

  private async resume(what: 'step' | 'continue', thread: number, address: string): Promise<string | undefined> {
    if (address !== '') {
      await this.writable();
      this.inferior.writeRegister(thread, PC, BigInt(`0x${address}`));
    }
    return what === 'step' ? this.step(thread) : this.goOn();
  }

  private step(thread: number, range?: readonly [bigint, bigint]): Promise<string> {
    return this.move((inferior, o) => inferior.step(thread, { ...o, ...(range && { range }) }));
  }

  /** gdb steps over a watchpoint by itself once it was reported. */
  private goOn(): Promise<string> {
    return this.move((inferior, o) => inferior.continue({ ...o, fromHere: true }));
  }

  private async move(go: (inferior: Inferior, o: InferiorMove) => Promise<InferiorStop>): Promise<string> {
    this.running = new AbortController();
    try {
      this.lastStop = await go(this.inferior, { points: this.points.list(), signal: this.running.signal });
    } finally {
      this.running = undefined;
    }
    this.general = this.lastStop.thread;
    this.control = this.general;
    return this.stopReply(this.lastStop);
  }

  /** `vAttach`: from here on one process of the guest is debugged. */
  private attach(pid: number): string {
    const { monitor } = this.options;
    this.settings.attached = new Process(this.target, monitor.guestInfo, pid, () => this.settings.followChild);
    this.general = this.inferior.activeThread();
    this.control = this.general;
    this.lastStop = { reason: 'there', thread: this.general };
    return this.stopReply(this.lastStop);
  }

  private stopReply(stop: InferiorStop): string {
    if (stop.reason === 'halted') return 'W00';
    const { signal = stop.reason === 'interrupted' ? SIGINT : SIGTRAP } = stop;
    const number = (GDB_SIGNALS[signal] ?? signal).toString(16).padStart(2, '0');
    return `T${number}${this.reason(stop)}thread:${stop.thread.toString(16)};`;
  }

  private reason({ reason, hit, path }: InferiorStop): string {
    if (reason === 'begin') return 'replaylog:begin;';
    if (reason === 'end') return 'replaylog:end;';
    if (reason === 'exec') return `exec:${toHex(new TextEncoder().encode(path ?? ''))};`;
    return hit ? this.points.reason(hit.point, hit.address) : '';
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
        return `QC${this.general.toString(16)}`;
      case 'qfThreadInfo':
        return `m${this.inferior
          .threads()
          .map(({ id }) => id.toString(16))
          .join(',')}`;
      case 'qsThreadInfo':
        return 'l';
      case 'qThreadExtraInfo': {
        const id = parseInt(text.split(',')[1], 16);
        const thread = this.inferior.threads().find((t) => t.id === id);
        return thread === undefined ? ERROR.argument : toHex(latin1(thread.note));
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

  private transfer(text: string): string | Uint8Array {
    const m = /^qXfer:([a-z-]+):read:([^:]*):([0-9a-fA-F]+),([0-9a-fA-F]+)$/.exec(text);
    if (!m) return '';
    const { target, inferior, physical } = this;
    const bytes = readDocument(m[1], m[2], { target, inferior, physical, guestInfo: this.options.monitor.guestInfo });
    if (bytes === undefined) return 'E00';
    const from = parseInt(m[3], 16);
    const part = bytes.subarray(from, from + Math.min(parseInt(m[4], 16), MAX_TRANSFER));
    const out = new Uint8Array(part.length + 1);
    out[0] = from + part.length < bytes.length ? 0x6d : 0x6c;
    out.set(part, 1);
    return out;
  }

  private async command(text: string): Promise<string | undefined> {
    const bytes = fromHex(text.slice('qRcmd,'.length));
    if (!bytes) return ERROR.argument;
    this.running = new AbortController();
    const before = this.target.instant;
    const { inferior } = this;
    const output = await this.options.monitor
      .run(new TextDecoder().decode(bytes), {
        hart: this.inferior.hartOf(this.general),
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
    if (compareInstants(this.target.instant, before) !== 0 || inferior !== this.inferior) {
      // The thread that was looked at may sleep here, or be none any more.
      this.general = this.inferior.activeThread();
      this.control = this.general;
      this.reply(
        `O${toHex(latin1('(gdb has not seen this move: type `maintenance flush register-cache`, then `info registers pc`; `hindsight debug --print-gdbinit` has a `seek` that does)\n'))}`,
      );
    }
    return 'OK';
  }
}
