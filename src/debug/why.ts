import type { Decoded } from '../isa/decode.ts';
import { F, PC, type RegisterId, X } from '../machine/view/machine-view.ts';
import { nextAccess, nextInstruction } from '../machine/view/next-access.ts';
import { resolver } from '../machine/view/virtual-memory.ts';
import { compareInstants, EVENT, type HostEvent, type Instant } from '../record/door.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { Mover } from '../timeline/mover.ts';
import { type EventNote, eventNote } from './event-note.ts';
import type { GuestInfo } from './guest-info.ts';
import { type OriginQuestion, Origins, setsRegister } from './origin.ts';
import { guestOnHart } from './process-symbols.ts';

/** Bytes of a register. */
const WHOLE = 8;

type NumberedRegister = Extract<RegisterId, { readonly number: number }>;

/** What a value is traced from: bytes of memory as a hart sees them, or of one of its registers. */
export type WhyTarget =
  | {
      readonly kind: 'memory';
      readonly address: bigint;
      readonly length: number;
      readonly space?: OriginQuestion['space'];
    }
  | { readonly kind: 'register'; readonly hart: number; readonly register: NumberedRegister };

/** A step back on the way to where a value came from. */
export interface WhyStep {
  readonly at: Instant;
  readonly hart: number;
  readonly pc: bigint;
  readonly place: string;
  readonly instruction: string;
  readonly process?: { readonly pid: number; readonly comm: string };
  /**
   * `copy` the value was moved as it is · `compute` it was made of other values, each of which is followed · and the ends: `constant` in the code ·
   * `csr` read from a control register · `device` a device's register or what it wrote · `start` it was there when the recording begins
   */
  readonly action: 'copy' | 'compute' | 'constant' | 'csr' | 'device' | 'start';
  /** What got the value: `a0`, `4 bytes at 0x80001000`. */
  readonly target: string;
  /** How many computed values lie between this and what was asked about. */
  readonly depth: number;
  /** Copies before this step that are left out. */
  readonly folded: number;
  /** The device, for `device`. */
  readonly device?: string;
  /** The input that the value came in by: the last one that the device had then. */
  readonly input?: EventNote & {
    /** Which of its bytes, where that is known. */ readonly byte?: number;
  };
}

/** How far a slice goes. */
export interface WhyOptions extends MoveOptions {
  /** Steps that are reported at most; default 64. */
  readonly steps?: number;
  /** Report every copy. */
  readonly all?: boolean;
}

/** Bytes of a register or of memory, with the instant before which they are looked for. */
interface Wanted {
  readonly at: Instant;
  readonly target: WhyTarget;
  /** Of a register: the bytes that matter. */
  readonly from: number;
  readonly length: number;
  readonly depth: number;
  readonly folded: number;
}

/** What an instruction made a value of. */
interface Sources {
  readonly action: WhyStep['action'];
  readonly from: readonly (Pick<Wanted, 'target' | 'from' | 'length'> | undefined)[];
}

/**
 * The backward slice of a value: the chain of stores, loads and inputs that it came by, to the constants and inputs that it was made of. Addresses are
 * not followed, nor what decided that code was executed. The mover is put back to where it was.
 * @param events inputs of the recording, in order
 * @returns how it ended: `complete`, or parts were left out (`steps`), or by the signal
 * @throws DebugError when there is no such address here
 */
export async function why(
  mover: Mover,
  guest: GuestInfo,
  target: WhyTarget,
  events: readonly HostEvent[],
  each: (step: WhyStep) => void,
  options: WhyOptions = {},
): Promise<'complete' | 'steps' | 'interrupted'> {
  const { at } = mover;
  try {
    return await new Slice(mover, guest, events, options).run(target, each);
  } finally {
    await mover.seek(at);
  }
}

class Slice {
  private readonly mover: Mover;
  private readonly guest: GuestInfo;
  private readonly events: readonly HostEvent[];
  private readonly options: WhyOptions;
  private readonly origins: Origins;

  constructor(mover: Mover, guest: GuestInfo, events: readonly HostEvent[], options: WhyOptions) {
    this.mover = mover;
    this.guest = guest;
    this.events = events;
    this.options = options;
    this.origins = new Origins(mover, guest);
  }

  async run(target: WhyTarget, each: (step: WhyStep) => void): Promise<'complete' | 'steps' | 'interrupted'> {
    const { steps = 64, all = false, signal } = this.options;
    const length = target.kind === 'memory' ? target.length : WHOLE;
    const stack: Wanted[] = [{ at: this.mover.at, target, from: 0, length, depth: 0, folded: 0 }];
    const seen = new Set<string>();
    let reported = 0;
    for (let wanted = stack.pop(); wanted !== undefined; wanted = stack.pop()) {
      if (signal?.aborted) return 'interrupted';
      const found = await this.before(wanted);
      if (found === 'interrupted') return 'interrupted';
      const { step, next } = found;
      // Values that were made of one another's parts meet again.
      const key = `${step.at.instructions}:${step.at.sequence} ${step.target}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const folds = step.action === 'copy' && !all && next.length === 1;
      if (!folds) {
        if (reported === steps) return 'steps';
        reported++;
        each(step);
      }
      const depth = step.action === 'compute' ? wanted.depth + 1 : wanted.depth;
      for (const source of next.reverse())
        stack.push({ ...source, at: step.at, depth, folded: folds ? wanted.folded + 1 : 0 });
    }
    return 'complete';
  }

  /** What gave a value its bytes, and what they were made of. */
  private async before(
    wanted: Wanted,
  ): Promise<{ readonly step: WhyStep; readonly next: Omit<Wanted, 'at' | 'depth' | 'folded'>[] } | 'interrupted'> {
    const { mover } = this;
    await mover.seek(wanted.at);
    return wanted.target.kind === 'memory'
      ? this.beforeMemory(wanted, wanted.target)
      : this.beforeRegister(wanted, wanted.target);
  }

  private async beforeMemory(
    wanted: Wanted,
    { address, length, space }: Extract<WhyTarget, { kind: 'memory' }>,
  ): ReturnType<Slice['before']> {
    const { mover } = this;
    const text = `${length} byte${length === 1 ? '' : 's'} at 0x${address.toString(16)}`;
    const found = await this.origins.findAccess(
      { kind: 'write', address, length, ...(space && { space }) },
      this.options,
    );
    if (found === 'interrupted') return found;
    if (found === undefined) {
      await mover.seek(mover.begin);
      return { step: await this.step(wanted, text, 'start', mover.view.activeHart()), next: [] };
    }
    await mover.seek(found.at);
    if (found.device !== undefined) {
      const action = found.device === 'machine' ? 'start' : 'device';
      const input = this.inputOf(found.device, found.at);
      const more = { device: found.device, ...(input && { input }) };
      return { step: { ...(await this.step(wanted, text, action, found.hart)), ...more }, next: [] };
    }
    await mover.align();
    const { hart } = found;
    const access = nextAccess(mover.view, hart)!;
    const { point } = found.hit!;
    const first = access.address > point.start ? access.address : point.start;
    const access_end = access.address + BigInt(access.length);
    const last = access_end < point.end ? access_end : point.end;
    const d = nextInstruction(mover.view, hart)!;
    const bytes = { from: Number(first - access.address), length: Math.max(1, Number(last - first)) };
    const { action, from } = storeSources(d, hart, bytes, { ...access, space: { hart } });
    return { step: await this.step(wanted, text, action, hart), next: from.filter((s) => s !== undefined) };
  }

  private async beforeRegister(
    wanted: Wanted,
    { hart, register }: Extract<WhyTarget, { kind: 'register' }>,
  ): ReturnType<Slice['before']> {
    const { mover } = this;
    const { view } = mover;
    const text = `${register.kind}${register.number}`;
    const when = (at: typeof view, h: number): boolean => setsRegister(at, h, register);
    const { reason, hit } = await mover.reverseContinue({ when, hart }, { ...this.options, near: true });
    if (reason === 'interrupted') return 'interrupted';
    if (hit === undefined) return { step: await this.step(wanted, text, 'start', hart), next: [] };
    await mover.seek(hit.at);
    await mover.align();
    const d = nextInstruction(view, hart)!;
    const slice = { from: wanted.from, length: wanted.length };
    const access = nextAccess(view, hart);
    if (access?.reads) {
      const physical = resolver(view, hart)(access.address);
      const { ram } = view;
      if (physical === undefined || physical < ram.base || physical >= ram.base + BigInt(ram.size)) {
        const device = this.deviceAt(physical ?? 0n);
        const input = this.byteOf(device, hit.at) ?? this.inputOf(device, hit.at);
        return {
          step: { ...(await this.step(wanted, text, 'device', hart)), device, ...(input && { input }) },
          next: [],
        };
      }
      const within = slice.from < access.length;
      const from = within ? slice.from : 0;
      const length = within ? Math.min(slice.length, access.length - from) : access.length;
      const target = { kind: 'memory', address: access.address + BigInt(from), length, space: { hart } } as const;
      return { step: await this.step(wanted, text, 'copy', hart), next: [{ target, from: 0, length }] };
    }
    const read = (id: RegisterId): bigint => view.readRegister(hart, id) ?? 0n;
    const { action, from } = registerSources(d, hart, slice, read);
    return { step: await this.step(wanted, text, action, hart), next: from.filter((s) => s !== undefined) };
  }

  private async step(wanted: Wanted, target: string, action: WhyStep['action'], hart: number): Promise<WhyStep> {
    const { mover, guest } = this;
    const { view } = mover;
    const here = await guestOnHart(guest, hart);
    const pc = view.readRegister(hart, PC) ?? 0n;
    const task = guest.current(hart);
    return {
      at: mover.at,
      hart,
      pc,
      place: here.describe(pc),
      instruction: this.origins.instructionAt(hart, pc),
      ...(task && { process: { pid: task.tgid, comm: task.name } }),
      action,
      target,
      depth: wanted.depth,
      folded: wanted.folded,
    };
  }

  /** The last input that a device had until an instant. */
  private inputOf(device: string, at: Instant): WhyStep['input'] {
    const { engine } = this.mover.view;
    const name = (port: number): string => engine.portName(port);
    const index = this.events.findLastIndex(
      (event) => event.kind === EVENT.INPUT && name(event.port) === device && compareInstants(event.at, at) <= 0,
    );
    return index < 0 ? undefined : eventNote(this.events[index], index, name);
  }

  /** The input with the byte that a device gives next. */
  private byteOf(device: string, at: Instant): WhyStep['input'] {
    const { engine } = this.mover.view;
    const name = (port: number): string => engine.portName(port);
    const unread = engine.board.slots.find((slot) => slot.name === device)?.device.unread;
    if (unread === undefined || unread === 0) return undefined;
    let after = unread;
    for (let index = this.events.length - 1; index >= 0; index--) {
      const event = this.events[index];
      if (event.kind !== EVENT.INPUT || name(event.port) !== device || compareInstants(event.at, at) > 0) continue;
      const byte = event.payload.length - after;
      if (byte >= 0) return { ...eventNote(event, index, name), byte };
      after = -byte;
    }
    return undefined;
  }

  private deviceAt(physical: bigint): string {
    const { board } = this.mover.view.engine;
    const address = Number(physical);
    const window = board.windows.find(({ region: { base, size } }) => address >= base && address < base + size);
    const slot = board.slots.find(({ device }) => device === window?.device);
    return slot?.name ?? `device at 0x${physical.toString(16)}`;
  }
}

const registerTarget = (kind: 'x' | 'f', number: number, hart: number): WhyTarget => ({
  kind: 'register',
  hart,
  register: { kind, number },
});

/** The registers that a row reads, by its syntax. */
function operands(d: Decoded): { readonly kind: 'x' | 'f'; readonly number: number }[] {
  const found: { kind: 'x' | 'f'; number: number }[] = [];
  for (const [, kind, n] of d.row.syntax.matchAll(/\b([rf])s?([123])\b/g)) {
    const number = n === '1' ? d.rs1 : n === '2' ? d.rs2 : d.rs3;
    found.push({ kind: kind === 'r' ? 'x' : 'f', number });
  }
  return found;
}

/** What a store's bytes were made of. */
function storeSources(
  d: Decoded,
  hart: number,
  bytes: { readonly from: number; readonly length: number },
  old: { readonly address: bigint; readonly length: number; readonly space: { readonly hart: number } },
): Sources {
  if (d.row.name === 'cbo.zero') return { action: 'constant', from: [] };
  const float = /\bfs2\b/.test(d.row.syntax);
  const value =
    d.rs2 === 0 && !float ? undefined : { target: registerTarget(float ? 'f' : 'x', d.rs2, hart), ...bytes };
  if (d.row.statement.kind !== 'amo' || d.row.name.startsWith('amoswap'))
    return { action: value === undefined ? 'constant' : 'copy', from: [value] };
  const { address, length, space } = old;
  return { action: 'compute', from: [{ target: { kind: 'memory', address, length, space }, from: 0, length }, value] };
}

/** What the bytes of a register were made of by an instruction that reads no memory. */
function registerSources(
  d: Decoded,
  hart: number,
  slice: { readonly from: number; readonly length: number },
  read: (id: RegisterId) => bigint,
): Sources {
  const { name } = d.row;
  if (d.row.format === 'CSR') return { action: 'csr', from: [] };
  if (/^jalr?$/.test(name)) return { action: 'constant', from: [] };
  const used = operands(d).filter(({ kind, number }) => kind === 'f' || number !== 0);
  if (used.length === 0) return { action: 'constant', from: [] };
  const whole = (operand: (typeof used)[number], bytes = { from: 0, length: WHOLE }) => ({
    target: registerTarget(operand.kind, operand.number, hart),
    ...bytes,
  });
  const [only] = used;
  if (used.length === 1 && isMove(d)) return { action: 'copy', from: [whole(only, slice)] };
  // What an extension leaves as it is.
  const kept = used.length === 1 ? keptBytes(d) : 0;
  if (kept > 0 && slice.from + slice.length <= kept) return { action: 'copy', from: [whole(only, slice)] };
  if (kept > 0) return { action: 'compute', from: [whole(only, { from: 0, length: kept })] };
  if (d.imm % 8 === 0 && (name === 'slli' || name === 'srli')) {
    const by = name === 'slli' ? -d.imm / 8 : d.imm / 8;
    const from = slice.from + by;
    const end = Math.min(WHOLE, from + slice.length);
    if (end <= 0 || from >= WHOLE) return { action: 'constant', from: [] };
    return { action: 'copy', from: [whole(only, { from: Math.max(0, from), length: end - Math.max(0, from) })] };
  }
  // Bytes that are put together from shifted words come from the one that has them.
  if (used.length === 2 && /^(?:or|xor|add)$/.test(name)) {
    const mask = ((1n << BigInt(8 * slice.length)) - 1n) << BigInt(8 * slice.from);
    const [a, b] = used.map(({ kind, number }) => (read(kind === 'x' ? X(number) : F(number)) & mask) !== 0n);
    if (name !== 'add' || slice.from === 0) {
      if (a && !b) return { action: 'copy', from: [whole(used[0], slice)] };
      if (b && !a) return { action: 'copy', from: [whole(used[1], slice)] };
    }
    if (name !== 'add') return { action: 'compute', from: used.map((operand) => whole(operand, slice)) };
  }
  return { action: 'compute', from: used.map((operand) => whole(operand)) };
}

/** Whether an instruction with one operand gives it on as it is. */
function isMove({ row: { name }, imm }: Decoded): boolean {
  if (/^(?:add|or|xor|fsgnj\.d|fmv\.[xd]\.[xd])$/.test(name)) return true;
  return imm === 0 && /^(?:addi|ori|xori)$/.test(name);
}

/** How many low bytes of its operand an extension keeps; 0 for another instruction. */
function keptBytes({ row: { name }, imm }: Decoded): number {
  if ((name === 'addiw' && imm === 0) || name === 'add.uw') return 4;
  if (name === 'sext.h' || name === 'zext.h') return 2;
  return name === 'sext.b' || (name === 'andi' && imm === 255) ? 1 : 0;
}
