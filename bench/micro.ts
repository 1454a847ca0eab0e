import Benchmark from 'benchmark';
import { createWasmCore } from '../src/core/wasm/core.ts';
import { assemble } from '../src/isa/encode.ts';
import { EXTENSIONS } from '../src/isa/instruction.ts';
import { INSTRUCTION_BY_NAME, type INSTRUCTIONS } from '../src/isa/instructions.ts';
import { MACHINE, MACHINE_AT, RAM_BASE } from '../src/isa/layout.ts';
import { extensionBits, HartState } from '../src/machine/memory/hart-state.ts';
import { MachineMemory } from '../src/machine/memory/memory.ts';
import { benchClock } from './clock.ts';
import { rig } from './jit/rig.ts';

const row = (name: string): (typeof INSTRUCTIONS)[number] => {
  const found = INSTRUCTION_BY_NAME.get(name);
  if (!found) throw new Error(`no instruction ${name}`);
  return found;
};

/** A hart in S-mode under Sv39 whose identity-mapped loop loads with the given stride (bytes) through 2 MiB of 4 KiB pages. */
function strideLoop(stride: number): () => void {
  const memory = new MachineMemory(64 << 20);
  memory.setMachine32('hartCount', 1);
  memory.setMachine64('ramSize', BigInt(memory.ramSize));
  memory.setMachine64('extensions', extensionBits(EXTENSIONS));
  memory.setMachine32('maxSatpMode', 8);
  const hart = new HartState(memory, 0);
  hart.resetForSupervisor(EXTENSIONS);
  hart.set32('hsm', 0);
  const root = 0x100_0000,
    middle = root + 4096,
    leaves = root + 8192;
  const entry = (at: number, pa: number, flags: number): void =>
    memory.view.setBigUint64(memory.ramBytes.byteOffset + at, ((BigInt(pa) >> 12n) << 10n) | BigInt(flags), true);
  // virtual 0…1 GiB: a table of 2 MiB regions; the first is split into 4 KiB pages; code by a superpage at 1 GiB
  entry(root, RAM_BASE + middle, 1);
  entry(middle, RAM_BASE + leaves, 1);
  for (let i = 0; i < 512; i++) entry(leaves + i * 8, RAM_BASE + 0x200_0000 + i * 4096, 0xcf);
  entry(root + 16, RAM_BASE, 0xcf);
  const code = [
    assemble(row('add'), { rd: 10, rs1: 10, rs2: 11 }),
    assemble(row('and'), { rd: 10, rs1: 10, rs2: 12 }),
    assemble(row('ld'), { rd: 13, rs1: 10, imm: 0 }),
    assemble(row('jal'), { rd: 0, imm: -12 }),
  ];
  code.forEach((word, i) => memory.view.setUint32(memory.ramBytes.byteOffset + i * 4, word, true));
  hart.set('pc', BigInt(RAM_BASE));
  hart.set('x', BigInt(stride), 11);
  hart.set('x', BigInt(0x1f_ffff & ~7), 12);
  hart.set('satp', (8n << 60n) | BigInt((RAM_BASE + root) / 4096));
  const core = createWasmCore(memory.memory, {
    mmioRead: () => false,
    mmioWrite: () => false,
    pointMet: () => false,
    pageAbsent: () => {},
  });
  core.dropDerived();
  const walks = (): bigint => memory.view.getBigUint64(MACHINE_AT + MACHINE.walks, true);
  const before = walks();
  core.run(0, 40_000);
  process.stderr.write(`stride ${stride}: ${walks() - before} walks in 10,000 loads\n`);
  return () => core.run(0, 40_000);
}

/** Places that {@link hops} jumps between, each on a page of its own. */
const HOPS = 16;

/**
 * A program that jumps through a register from page to page, round and round. @param registers that each place reads and writes
 * @returns the code; a round is HOPS × (registers + 3) instructions
 */
function hops(registers: number): Uint8Array {
  const code = new Uint8Array(HOPS * 4096);
  const view = new DataView(code.buffer);
  for (let n = 0; n < HOPS; n++) {
    let at = n * 4096;
    const put = (name: string, operands: Parameters<typeof assemble>[1]): void => {
      view.setUint32(at, assemble(row(name), operands), true);
      at += 4;
    };
    for (let r = 0; r < registers; r++) put('addi', { rd: 10 + r, rs1: 10 + r, imm: 1 });
    const back = n === HOPS - 1;
    put('auipc', { rd: 5, imm: back ? -(HOPS - 1) * 4096 : 4096 });
    put('addi', { rd: 5, rs1: 5, imm: -4 * registers });
    put('jalr', { rs1: 5 });
  }
  return code;
}

/** Nanoseconds to go from one region to another. */
function transition(registers: number): number {
  const { core } = rig('jit', hops(registers), 1 << 20, { threshold: 1000, instruction: 1e9 });
  const rounds = 200_000;
  core.run(0, 40_000_000);
  const entered = core.statistics().entered;
  const now = benchClock('guest');
  const start = now();
  core.run(0, rounds * HOPS * (registers + 3));
  return ((now() - start) * 1e6) / (core.statistics().entered - entered);
}

/**
 * Micro benchmarks: a TLB refill with its page-table walk in the interpreter, from loops that differ in nothing else; and going from one translated
 * region to another.
 */
export async function micro(): Promise<void> {
  const suite = new Benchmark.Suite();
  suite.add('10,000 loads, TLB hits', strideLoop(8)).add('10,000 loads, a refill each', strideLoop(4096));
  const times: number[] = [];
  suite.on('cycle', (event: Benchmark.Event) => {
    const { target } = event;
    process.stdout.write(`${String(target)}\n`);
    times.push(((target.stats?.mean ?? Number.NaN) * 1e9) / 10_000);
  });
  await new Promise<void>((resolve) => {
    suite.on('complete', () => resolve());
    suite.run({ async: true });
  });
  process.stdout.write(`TLB refill with its walk: ${(times[1] - times[0]).toFixed(0)} ns\n`);
  for (const registers of [1, 8, 16]) {
    const best = Math.min(...Array.from({ length: 5 }, () => transition(registers)));
    process.stdout.write(`transition between regions that use ${registers} registers: ${best.toFixed(1)} ns\n`);
  }
}
