/** What the compiled cores may ask of their surroundings: an exact list of imports, no memory of their own, nothing allocated while they run. */
import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import binaryen from 'binaryen';
import { describe, expect, it } from 'vitest';
import { CORE_WASM_BASE64 } from '../../src/generated/core-wasm.ts';
import { JIT_CORE_WASM_BASE64 } from '../../src/generated/jit-core-wasm.ts';
import { assembleNamed as ins } from '../../src/isa/encode.ts';
import { EXIT } from '../../src/isa/layout.ts';
import { Bare, type CoreKind } from './bare.ts';

const bytes = (base64: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(base64, 'base64'));
const HOST = [
  'env.memory memory',
  'host.mmioRead function',
  'host.mmioWrite function',
  'host.translatedStore function',
  'host.pageAbsent function',
  'host.pointMet function',
];
const MODULES = {
  core: { base64: CORE_WASM_BASE64, imports: HOST },
  'jit-core': {
    base64: JIT_CORE_WASM_BASE64,
    imports: [...HOST, 'jit.translate function', 'jit.slowPathIsHot function'],
  },
} as const;

describe.each(Object.entries(MODULES))('%s.wasm', (_name, { base64, imports }) => {
  it("imports exactly the machine's memory and the named calls of its host", () => {
    const found = WebAssembly.Module.imports(new WebAssembly.Module(bytes(base64))).map(
      (i) => `${i.module}.${i.name} ${i.kind}`,
    );
    expect(found.sort()).toEqual([...imports].sort());
  });

  it('has no allocator and never grows memory', () => {
    const module = binaryen.readBinary(bytes(base64));
    const text = module.emitText();
    module.dispose();
    expect(text).toContain('(func ');
    expect(text.match(/memory\.grow.*|~lib\/rt.*/g)).toBe(null);
  });
});

/** A loop of integer, memory, floating-point, compressed and atomic instructions with 64-bit operands. */
const LOOP = [
  ins('auipc', { rd: 8, imm: 0 }),
  ins('addi', { rd: 9, rs1: 8, imm: 1024 }),
  ins('addi', { rd: 5, rs1: 0, imm: -3 }),
  // from here
  ins('mul', { rd: 6, rs1: 5, rs2: 5 }),
  ins('mulhu', { rd: 7, rs1: 6, rs2: 5 }),
  ins('divu', { rd: 10, rs1: 7, rs2: 5 }),
  ins('sd', { rs1: 9, rs2: 6, imm: 0 }),
  ins('ld', { rd: 11, rs1: 9, imm: 0 }),
  ins('amoadd.d', { rd: 12, rs1: 9, rs2: 11 }),
  ins('sll', { rd: 13, rs1: 12, rs2: 5 }),
  ins('sltu', { rd: 14, rs1: 13, rs2: 5 }),
  ins('fcvt.d.l', { rd: 1, rs1: 5, rm: 0 }),
  ins('fadd.d', { rd: 2, rs1: 2, rs2: 1, rm: 0 }),
  ins('rev8', { rd: 15, rs1: 13 }),
  ins('addi', { rd: 5, rs1: 5, imm: -7 }),
  ins('csrrs', { rd: 16, rs1: 0, imm: 0xc02 }),
  ins('jal', { rd: 0, imm: -13 * 4 }),
];

describe.each(['wasm', 'ts', 'jit'] as readonly CoreKind[])('%s core', (kind) => {
  it('allocates nothing while it runs', { timeout: 120_000 }, async () => {
    const m = new Bare(kind, 1 << 20);
    LOOP.forEach((word, i) => new DataView(m.ram.buffer, m.ram.byteOffset).setUint32(4 * i, word, true));
    m.core.ramChanged(0, 4 * LOOP.length);
    m.set('mstatus', m.get('mstatus') | 0x6000n);
    const million = (n: number): void => {
      for (let i = 0; i < n * 10; i++) expect(m.run(100_000)).toBe(EXIT.BUDGET);
    };
    million(2);
    let collections = 0;
    const observer = new PerformanceObserver((list) => (collections += list.getEntries().length));
    observer.observe({ entryTypes: ['gc'] });
    const before = getHeapStatistics();
    million(4);
    const after = getHeapStatistics();
    await new Promise((resolve) => setImmediate(resolve));
    observer.disconnect();
    // one object in ten instructions would be 10 MB or more: several collections of V8's young generation
    expect(collections).toBeLessThan(4);
    expect(after.malloced_memory - before.malloced_memory).toBeLessThan(4 << 20);
    expect(m.get('pc')).toBeGreaterThan(0x8000_0000n);
    expect(m.hart.some((byte) => byte !== 0)).toBe(true);
    expect(m.memory.buffer.byteLength).toBe(m.view.byteLength);
  });
});
