import { ACCESS } from '../../src/core/core.ts';
import { disassemble } from '../../src/isa/disassemble.ts';
import { EXIT, MACHINE, MACHINE_AT, PAGE_SIZE, RAM_BASE } from '../../src/isa/layout.ts';
import { type Bare, hartDifferences } from './bare.ts';
import { chaosRam, DEVICE, HANDLERS, poolAt, poolValue, RAM_SIZE, randomSlot, START } from './chaos.ts';
import { Random } from './random.ts';

/** Two or more machines of different cores that are given the same world and must stay the same. */
export interface Lockstep {
  readonly seed: number;
  /** Attempted instructions to compare. */
  readonly ticks: number;
  /** Longest stretch between comparisons; 1: after every instruction. */
  readonly stretch: number;
  /** Debug points are set and taken away on the way. */
  readonly debug?: boolean;
  /** The harts' interrupt wires, registers and RAM are changed by the host on the way. */
  readonly meddle?: boolean;
  /** Derived state of the second machine is dropped, and dirty marks of it cleared, at random moments. */
  readonly drop?: boolean;
  /** The second machine takes the stretch one instruction at a time, and stretches end where a timer falls due. */
  readonly split?: boolean;
  /** Most instructions work, and loops become hot. */
  readonly loops?: boolean;
}

/** What happened on the way: keeps the tests honest about what they reach. */
export interface Coverage {
  ticks: number;
  /** How many of them trapped. */
  trapped: number;
  readonly traps: Map<number, number>;
  readonly exits: Map<number, number>;
}

export const newCoverage = (): Coverage => ({ ticks: 0, trapped: 0, traps: new Map(), exits: new Map() });
const count = (map: Map<number, number>, key: number): void => void map.set(key, (map.get(key) ?? 0) + 1);

/** A device: reads depend on the address alone, the upper half makes the core leave its slice, a part is not there. */
function outside(m: Bare): void {
  const there = (address: number): boolean => address >= DEVICE && address < DEVICE + 48;
  const leave = (address: number): void => {
    if (address >= DEVICE + 32) m.machine32('attention', 1);
  };
  m.outside = {
    read(address, width) {
      if (!there(address)) return undefined;
      leave(address);
      return BigInt(address) * 0x9e37_79b9_7f4a_7c15n + BigInt(width);
    },
    write(address) {
      if (!there(address)) return false;
      leave(address);
      return true;
    },
  };
}

function place(m: Bare, seed: number, ram: Uint8Array): void {
  const r = new Random(seed ^ 0x5bd1e995);
  m.reset();
  m.load(ram);
  for (let i = 1; i < 32; i++) m.set('x', r.corner(), i);
  for (let i = 0; i < 32; i++) m.set('f', r.chance(50) ? r.double() : 0xffff_ffff_0000_0000n | BigInt(r.single()), i);
  m.machine32('hostSbi', r.below(2));
  m.machine32('maxSatpMode', r.pick([10, 10, 9, 8]));
  resettle(m, r);
  m.core.dropDerived();
  m.core.clearDirty();
  outside(m);
}

/** Puts the hart back where instructions are, whatever state it got into. */
function resettle(m: Bare, r: Random): void {
  m.set('pc', START + BigInt(r.below(40) * 4096 + r.below(2048) * 2));
  m.set('mtvec', HANDLERS.m + (r.chance(20) ? 1n : 0n));
  m.set('stvec', HANDLERS.s + (r.chance(20) ? 1n : 0n));
  m.set('x', HANDLERS.m + BigInt(poolAt(0)), 3);
  m.set('prv', BigInt(r.pick([0, 1, 1, 3, 3])));
  m.set('mstatus', m.get('mstatus') | 0x6000n);
  m.set('frm', BigInt(r.pick([0, 0, 0, 1, 2, 3, 4, 5, 7])));
  m.set('medeleg', r.pick([0n, 0xb1ffn, 0xb1ffn, r.u64() & 0xb3ffn]));
  m.set('mideleg', r.pick([0n, 0x222n, r.u64() & 0x222n]));
  m.set('mcounteren', BigInt(r.pick([0, 0xffffffff])));
  m.set('scounteren', BigInt(r.pick([0, 0xffffffff])));
  m.set(
    'menvcfg',
    (r.u64() & 0xe000_0000_0000_00c1n) | r.pick([0n, 0x10n, 0x30n]) | (0x2000_0000_0000_0000n * BigInt(r.below(2))),
  );
  m.set('senvcfg', (r.u64() & 0xc1n) | r.pick([0n, 0x10n, 0x30n]));
  m.set('waiting', 0n);
  m.set('hsm', 0n);
  for (let i = 0; i < 2; i++) m.set('pmpcfg', i === 0 ? 0x1fn : 0n, i);
  for (let i = 0; i < 16; i++) m.set('pmpaddr', i === 0 ? 0x3f_ffff_ffff_ffffn : 0n, i);
}

/** Compares machines; throws with what the last instruction was. */
function compare(a: Bare, b: Bare, ramToo: boolean, where: () => string): void {
  const fail = (what: string): never => {
    throw new Error(`${what}\n${where()}`);
  };
  if (Buffer.compare(a.hart, b.hart) !== 0) fail(hartDifferences(a, b).join('\n'));
  for (const field of ['timeEnd', 'debugAddress'] as const) {
    if (a.machine64(field) !== b.machine64(field))
      fail(`${field}: ${a.kind} ${a.machine64(field).toString(16)}, ${b.kind} ${b.machine64(field).toString(16)}`);
  }
  for (const field of ['left', 'attention', 'debugHit', 'debugSkip'] as const) {
    if (a.machine32(field) !== b.machine32(field))
      fail(`${field}: ${a.kind} ${a.machine32(field)}, ${b.kind} ${b.machine32(field)}`);
  }
  if (a.log.length !== b.log.length || a.log.some((entry, i) => entry !== b.log[i]))
    fail(`MMIO: ${a.kind} ${a.log.join(' ')}, ${b.kind} ${b.log.join(' ')}`);
  a.log = [];
  b.log = [];
  if (!ramToo || Buffer.compare(a.ram, b.ram) === 0) return;
  const at = a.ram.findIndex((byte, i) => byte !== b.ram[i]) & ~7;
  const show = (m: Bare): string => Buffer.from(m.ram.subarray(at, at + 8)).toString('hex');
  fail(`RAM at ${at.toString(16)}: ${a.kind} ${show(a)}, ${b.kind} ${show(b)}`);
}

function instructionAt(m: Bare): string {
  const pc = m.get('pc');
  const physical = m.core.translate(0, pc, ACCESS.EXECUTE);
  const offset = Number(physical) - RAM_BASE;
  if (physical < 0n || offset < 0 || offset + 4 > RAM_SIZE) return `pc ${pc.toString(16)} leads nowhere`;
  const word = new DataView(m.ram.buffer, m.ram.byteOffset).getUint32(offset, true);
  return `pc ${pc.toString(16)} (${physical.toString(16)}) prv ${m.get('prv')}: ${word.toString(16)} ${disassemble(word, pc).text}`;
}

/** Turns of the host between stretches: the same for every machine. */
function meddle(machines: readonly Bare[], r: Random): void {
  const seed = r.u32();
  for (const m of machines) {
    const q = new Random(seed);
    switch (q.below(7)) {
      case 0:
        m.set('lines', q.chance(50) ? 0n : q.u64() & 0xa88n);
        break;
      case 1: {
        const slot = randomSlot(q);
        new DataView(m.ram.buffer, m.ram.byteOffset).setBigUint64(poolAt(slot), poolValue(q, slot), true);
        m.core.ramChanged(poolAt(slot), 8);
        break;
      }
      case 2: {
        const at = q.below(RAM_SIZE - 64),
          length = q.between(1, 64);
        for (let i = 0; i < length; i++) m.ram[at + i] ^= q.chance(20) ? q.below(256) : 0;
        m.core.ramChanged(at, length);
        break;
      }
      case 3:
        m.core.writeCsr(0, q.below(4096), q.corner());
        break;
      case 4:
        resettle(m, q);
        m.core.hartChanged(0);
        break;
      case 5:
        m.set('stimecmp', m.machine64('timeEnd') / 64n + BigInt(q.between(-2, 40)));
        break;
      default:
        m.set('reservation', BigInt(RAM_BASE + q.below(RAM_SIZE / 8) * 8));
        m.set('reservationWidth', BigInt(q.pick([4, 8])));
    }
  }
  // looking must give the same, and touch nothing
  const csr = r.below(4096),
    address = r.chance(70) ? BigInt(RAM_BASE + r.below(2 * RAM_SIZE)) : r.corner(),
    access = r.pick([0, 1, 2] as const);
  const seen = machines.map(
    (m) =>
      `csr ${csr.toString(16)} ${m.core.readCsr(0, csr)} translate ${access} ${address.toString(16)} ${m.core.translate(0, address, access).toString(16)}`,
  );
  if (seen.some((s) => s !== seen[0])) throw new Error(`seen from outside: ${seen.join(' / ')}`);
}

function points(machines: readonly Bare[], r: Random): void {
  const n = r.pick([0, 0, 1, 2, 3]);
  const list = Array.from({ length: n }, () => {
    const start = r.chance(30)
      ? machines[0].get('pc') + BigInt(r.below(32) * 2)
      : BigInt(RAM_BASE) + BigInt(r.below(RAM_SIZE));
    return { kind: r.between(1, 7), start, end: start + BigInt(r.pick([1, 2, 4, 8, 64, 4096])) };
  });
  for (const m of machines) {
    m.machine32('debugCount', n);
    list.forEach((p, i) => {
      m.view.setBigUint64(MACHINE_AT + MACHINE.debugKind + 8 * i, BigInt(p.kind), true);
      m.view.setBigUint64(MACHINE_AT + MACHINE.debugStart + 8 * i, p.start, true);
      m.view.setBigUint64(MACHINE_AT + MACHINE.debugEnd + 8 * i, p.end, true);
    });
    m.core.dropDerived();
  }
}

/** Every page that changed must be marked, or the host would keep an old copy. */
function checkDirty(m: Bare, before: Uint8Array): void {
  for (let page = 0; page < RAM_SIZE / PAGE_SIZE; page++) {
    const from = page * PAGE_SIZE;
    if (
      !m.isDirty(page) &&
      Buffer.compare(m.ram.subarray(from, from + PAGE_SIZE), before.subarray(from, from + PAGE_SIZE)) !== 0
    ) {
      throw new Error(`${m.kind}: page ${page.toString(16)} changed and is not marked dirty`);
    }
  }
}

/** Runs machines in lockstep. @throws Error at the first difference */
export function lockstep(machines: readonly [Bare, Bare], job: Lockstep, coverage: Coverage): void {
  const r = new Random(job.seed);
  const ram = chaosRam(r, job.loops ?? false);
  for (const m of machines) place(m, job.seed, ram);
  const [a, b] = machines;
  const snapshots = machines.map((m) => m.ram.slice());
  let done = 0,
    stretches = 0,
    lost = 0;
  while (done < job.ticks) {
    const before = instructionAt(a);
    const where = (): string =>
      `seed ${job.seed}, tick ${done}, stretch ${stretches}\nfrom ${before}\nnow ${instructionAt(a)}`;
    let n = job.stretch === 1 ? 1 : r.between(1, r.chance(50) ? 8 : job.stretch);
    const start = a.machine64('timeEnd'),
      retired = a.get('instretOffset');
    if (job.split) {
      const due = a.get('stimecmp') * 64n - start;
      if (due > 0n && due < BigInt(n)) n = Number(due);
    }
    const exit = a.run(n);
    const used = Number(a.machine64('timeEnd') - start);
    let other = exit;
    if (job.split) {
      // the machine would go on after REPLAN; a stretch that ended early ends in a reason the last single step must find too
      other = EXIT.BUDGET;
      for (let i = 0; i < used && (other === EXIT.BUDGET || other === EXIT.REPLAN); i++) other = b.run(1);
      if (exit !== EXIT.BUDGET && exit !== EXIT.REPLAN && exit !== EXIT.SBI && other !== exit) other = b.run(1);
    } else other = b.run(n);
    if (exit !== other)
      throw new Error(
        `exit: ${a.kind} ${exit} after ${used}, ${b.kind} ${other} after ${b.machine64('timeEnd') - start} of ${n}\n${where()}`,
      );
    count(coverage.exits, exit);
    const trapped = Number(BigInt.asIntN(64, retired - a.get('instretOffset')));
    // unless the program wrote minstret
    if (trapped >= 0 && trapped <= used) coverage.trapped += trapped;
    if (trapped > 0 || a.machine32('lastTrap') >>> 31 !== 0) count(coverage.traps, a.machine32('lastTrap'));
    stretches++;
    compare(a, b, stretches % 64 === 0 || used > 64, where);
    done += Math.max(used, 1);
    if (exit === EXIT.WAIT) for (const m of machines) wake(m);
    if (exit === EXIT.DEBUG) for (const m of machines) m.machine32('debugSkip', 1);
    if (job.meddle && r.chance(3)) meddle(machines, r);
    if (job.debug && r.chance(3)) points(machines, r);
    if (job.drop && r.chance(10)) b.core.dropDerived();
    if (job.drop && r.chance(1)) {
      compare(a, b, true, where);
      checkDirty(b, snapshots[1]);
      b.core.clearDirty();
      snapshots[1] = b.ram.slice();
    }
    // a hart that mostly traps has lost its handlers: it would do nothing else any more
    lost = lost * 0.75 + trapped / Math.max(used, 1);
    if (r.chance(0.4) || lost > 1.2) {
      const seed = r.u32();
      lost = 0;
      for (const m of machines) {
        m.ram.set(ram.subarray(0, PAGE_SIZE));
        m.core.ramChanged(0, PAGE_SIZE);
        resettle(m, new Random(seed));
        m.core.hartChanged(0);
      }
    }
  }
  compare(a, b, true, () => `seed ${job.seed}, at the end`);
  machines.forEach((m, i) => checkDirty(m, snapshots[i]));
  coverage.ticks += done;
}

function wake(m: Bare): void {
  if (m.get('hsm') !== 0n) m.set('hsm', 0n);
  m.set('waiting', 0n);
}
