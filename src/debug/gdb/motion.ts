import { toHex } from '../../bytes/hex.ts';
import { PC } from '../../machine/view/machine-view.ts';
import type { Inferior, InferiorMove, InferiorStop } from '../inferior.ts';
import type { GdbClient } from './client.ts';
import { ERROR } from './packets.ts';
import type { InsertedPoints } from './points.ts';

/** Signals by gdb's numbers (include/gdb/signals.def) where they differ from Linux's. */
const GDB_SIGNALS: Readonly<Record<number, number>> = { 7: 10, 10: 30, 12: 31, 17: 20, 18: 19, 19: 17, 20: 18 };
const SIGINT = 2;
const SIGTRAP = 5;

/*
 * gdb takes RISC-V watchpoints to stop before the access takes effect and makes a step of its own to see it: so forward we stop before
 * the instruction, and backward after it.
 */

/** Moves in time and their stop replies: the packets c, s, vCont, bc, bs, vAttach and ?. */
export class MotionPackets {
  private readonly client: GdbClient;
  private readonly points: InsertedPoints;

  constructor(client: GdbClient, points: InsertedPoints) {
    this.client = client;
    this.points = points;
  }

  /** The first action that steps one thread decides; harts are never held back (contract 9: their rotation is the machine's). */
  vCont(text: string): string | Promise<string | undefined> {
    for (const action of text.split(';')) {
      const m = /^([cCsSr])([0-9a-fA-F,]*)(?::(p[0-9a-f]+\.)?(-?[0-9a-fA-F]+))?$/.exec(action);
      if (!m) return ERROR.argument;
      const kind = m[1].toLowerCase();
      if (kind === 'c') continue;
      const thread = m[4] === undefined || m[4] === '-1' || m[4] === '0' ? this.client.general : parseInt(m[4], 16);
      if (!this.client.isThread(thread)) return ERROR.argument;
      if (kind === 's') return this.step(thread);
      const [from, to] = m[2].split(',').map((v) => BigInt(`0x${v || '0'}`));
      return this.step(thread, [from, to ?? from]);
    }
    return this.goOn();
  }

  async resume(what: 'step' | 'continue', thread: number, address: string): Promise<string | undefined> {
    if (address !== '') {
      await this.client.writable();
      this.client.inferior.writeRegister(thread, PC, BigInt(`0x${address}`));
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
    const { client } = this;
    client.running = new AbortController();
    try {
      client.lastStop = await go(client.inferior, { points: this.points.list(), signal: client.running.signal });
    } finally {
      client.running = undefined;
    }
    client.select(client.lastStop.thread);
    return this.stopReply();
  }

  /** Goes back. @param step by one instruction, else to the last hit */
  back(step: boolean): Promise<string> {
    const { client } = this;
    return this.move((inferior, o) =>
      step
        ? inferior.reverseStep(client.control, { ...o, watch: 'after' })
        : inferior.reverseContinue({ ...o, watch: 'after' }),
    );
  }

  /** `vAttach`: from here on one process of the guest is debugged. */
  async attach(pid: number): Promise<string> {
    const { client } = this;
    await client.settings.attach(client.target, client.options.monitor.guestInfo, pid);
    client.select();
    client.lastStop = { reason: 'there', thread: client.general };
    return this.stopReply();
  }

  /** What stopped it last. */
  stopReply(): string {
    const stop = this.client.lastStop;
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
}
