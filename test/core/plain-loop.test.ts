import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { wasmText } from '../../src/jit/wasm-text.ts';

const EXPORTS = 7,
  CODE = 10;

/** The body of an exported function, as text. WebAssembly 1.0, "Binary Format". */
function functionText(wasm: Uint8Array, name: string): string[] {
  const imported = WebAssembly.Module.imports(new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>)).filter(
    (i) => i.kind === 'function',
  ).length;
  let at = 8;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const b = wasm[at++];
      value += (b & 0x7f) * 2 ** shift;
      if (b < 0x80) return value;
    }
  };
  let index = -1;
  while (at < wasm.length) {
    const section = wasm[at++];
    const end = number() + at;
    if (section === EXPORTS) {
      for (let n = number(); n > 0; n--) {
        const length = number();
        const text = new TextDecoder().decode(wasm.subarray(at, at + length));
        at += length + 1;
        const item = number();
        if (text === name) index = item - imported;
      }
    } else if (section === CODE) {
      const count = number();
      for (let n = 0; n < count; n++) {
        const size = number();
        const body = at + size;
        if (n === index) {
          for (let groups = number(); groups > 0; groups--) {
            number();
            at++;
          }
          return wasmText(wasm.subarray(at, body));
        }
        at = body;
      }
    }
    at = end;
  }
  throw new Error(`no function ${name}`);
}

describe.each(['core', 'jit-core'])('the plain loop of %s', (core) => {
  const text = functionText(readFileSync(join(import.meta.dirname, '../../build/out', `${core}.wasm`)), 'runPlain');

  test('calls nothing, so that compilers keep its variables in registers', () => {
    const calls = text.filter((line) => {
      const [word] = line.trim().split(' ');
      // what wasmText has no name for is a number: loads, stores and numeric instructions lie from 0x28 to 0xc4, calls below
      return word.startsWith('0x') ? Number(word) < 0x28 || Number(word) > 0xc4 : word.startsWith('call');
    });
    expect(calls).toEqual([]);
  });

  test('dispatches by a table', () => {
    expect(text.filter((line) => line.trim().startsWith('br_table')).length).toBe(1);
  });
});
