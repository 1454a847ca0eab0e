import { describe, expect, it } from 'vitest';
import { ALL_EXTENSIONS, decode } from '../../src/isa/decode.ts';
import { FORWARDED, HELPER_IMPORTS, REGION_SIGNATURE } from '../../src/jit/abi.ts';
import { SLOW_PATH } from '../../src/jit/bases.ts';
import { type CodeSource, discover } from '../../src/jit/discover.ts';
import { dumpRegion } from '../../src/jit/dump.ts';
import { translate } from '../../src/jit/translate.ts';
import { ModuleEncoder } from '../../src/jit/wasm-module.ts';
import { Assembler } from './assembler.ts';

const BASE = 0x8000_0000n;

function source(program: Uint8Array): CodeSource {
  const padded = new Uint8Array(8192);
  padded.set(program);
  const view = new DataView(padded.buffer);
  return {
    page: (delta) => (delta === 0 || delta === 1 ? delta * 4096 : -1),
    decode: (first, second) =>
      decode(view.getUint16(first, true) | (second < 0 ? 0 : view.getUint16(second, true) << 16), ALL_EXTENSIONS),
    executed: (at) => at < program.length,
    observed: () => undefined,
  };
}

function dump(write: (a: Assembler) => void, user = false): { text: string; valid: boolean } {
  const a = new Assembler();
  write(a);
  const program = a.finish();
  const region = discover(source(program), [0]);
  if (!region) throw new Error('no region');
  const { body } = translate(region, 'golden', {
    compressed: true,
    float: true,
    slowPathOf: () => (user ? SLOW_PATH.CALL : SLOW_PATH.LEAVE),
    inside: false,
    through: user ? 'without-loops' : 'never',
  });
  const view = new DataView(new Uint8Array([...program, 0, 0, 0, 0]).buffer);
  const encoder = new ModuleEncoder({
    memory: { module: 'env', name: 'memory', minPages: 1 },
    imports: HELPER_IMPORTS,
    forwarded: FORWARDED,
    signature: REGION_SIGNATURE,
  });
  const bytes = encoder.encode([body]) as Uint8Array<ArrayBuffer>;
  return { text: dumpRegion(region, body, BASE, (at) => view.getUint32(at, true)), valid: WebAssembly.validate(bytes) };
}

describe('what small regions become', () => {
  it.each([
    [
      'counting-loop',
      (a: Assembler) => {
        a.label('loop');
        a.op('addi', { rd: 10, rs1: 10, imm: -1 });
        a.op('add', { rd: 11, rs1: 11, rs2: 10 });
        a.to('bne', { rs1: 10, rs2: 0 }, 'loop');
        a.op('jalr', { rd: 0, rs1: 1 });
      },
    ],
    [
      'shared-probe',
      (a: Assembler) => {
        a.op('addi', { rd: 2, rs1: 2, imm: -32 });
        a.op('sd', { rs1: 2, rs2: 1, imm: 24 });
        a.op('sd', { rs1: 2, rs2: 8, imm: 16 });
        a.op('jalr', { rd: 0, rs1: 1 });
      },
    ],
    [
      'call-and-return',
      (a: Assembler) => {
        a.to('jal', { rd: 1 }, 'callee');
        a.op('addi', { rd: 10, rs1: 10, imm: 1 });
        a.op('ecall');
        a.label('callee');
        a.op('slli', { rd: 10, rs1: 10, imm: 1 });
        a.op('jalr', { rd: 0, rs1: 1 });
      },
    ],
    [
      'float-sum',
      (a: Assembler) => {
        a.op('fld', { rd: 1, rs1: 10 });
        a.op('fadd.d', { rd: 0, rs1: 0, rs2: 1, rm: 7 });
        a.op('jalr', { rd: 0, rs1: 1 });
      },
    ],
  ] as const)('%s', async (name, write) => {
    const { text, valid } = dump(write);
    expect(valid).toBe(true);
    await expect(text).toMatchFileSnapshot(`golden/${name}.txt`);
  });

  it('writes registers through in code of user programs without loops, and calls the slow path of loads', async () => {
    const { text, valid } = dump((a) => {
      a.op('ld', { rd: 10, rs1: 10, imm: 8 });
      a.op('addi', { rd: 10, rs1: 10, imm: 1 });
      a.op('jalr', { rd: 0, rs1: 1 });
    }, true);
    expect(valid).toBe(true);
    await expect(text).toMatchFileSnapshot('golden/written-through.txt');
    // a loop keeps its registers
    const loop = (a: Assembler): void => {
      a.label('loop');
      a.op('addi', { rd: 10, rs1: 10, imm: -1 });
      a.to('bne', { rs1: 10, rs2: 0 }, 'loop');
      a.op('jalr', { rd: 0, rs1: 1 });
    };
    expect(dump(loop, true).text).toBe(dump(loop).text);
  });
});
