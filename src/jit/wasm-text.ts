import { OP, SATURATING } from './wasm-opcodes.ts';

const NAMES = new Map<number, string>(
  Object.entries(OP).map(([key, opcode]) => [
    opcode,
    key
      .toLowerCase()
      .replace(/^(i32|i64|f32|f64|local)_/, '$1.')
      .replace(/^br\./, 'br_'),
  ]),
);
const SATURATING_NAMES = new Map<number, string>(
  Object.entries(SATURATING)
    .filter(([key]) => key !== 'PREFIX')
    .map(([key, second]) => [second, `trunc_sat ${key.toLowerCase()}`]),
);

/** The instructions of a function's body as text, one a line, indented by nesting. For people and golden files. */
export function wasmText(code: Uint8Array): string[] {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const lines: string[] = [];
  let at = 0;
  let depth = 0;
  const unsigned = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const b = code[at++];
      value += (b & 0x7f) * 2 ** shift;
      if (b < 0x80) return value;
    }
  };
  const signed = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const b = code[at++];
      value |= BigInt(b & 0x7f) << shift;
      if (b < 0x80) return b & 0x40 ? value - (1n << (shift + 7n)) : value;
    }
  };
  while (at < code.length) {
    const opcode = code[at++];
    let text = NAMES.get(opcode) ?? `0x${opcode.toString(16)}`;
    if (opcode === OP.END || opcode === OP.ELSE) depth--;
    const indent = '  '.repeat(Math.max(depth, 0));
    if (opcode === OP.BLOCK || opcode === OP.LOOP || opcode === OP.IF) {
      if (code[at++] !== 0x40) text += ' (result)';
      depth++;
    } else if (opcode === OP.ELSE) depth++;
    else if (
      opcode === OP.BR ||
      opcode === OP.BR_IF ||
      opcode === OP.CALL ||
      (opcode >= OP.LOCAL_GET && opcode <= OP.LOCAL_TEE)
    )
      text += ` ${unsigned()}`;
    else if (opcode === OP.BR_TABLE) text += ` ${Array.from({ length: unsigned() + 1 }, unsigned).join(' ')}`;
    else if (opcode >= OP.I32_LOAD && opcode <= OP.I64_STORE32) {
      at++;
      text += ` +${unsigned()}`;
    } else if (opcode === OP.I32_CONST || opcode === OP.I64_CONST) text += ` ${signed()}`;
    else if (opcode === OP.F64_CONST) {
      text += ` 0x${view.getBigUint64(at, true).toString(16)}`;
      at += 8;
    } else if (opcode === OP.F32_CONST) {
      text += ` 0x${view.getUint32(at, true).toString(16)}`;
      at += 4;
    } else if (opcode === SATURATING.PREFIX) text = SATURATING_NAMES.get(unsigned()) ?? 'unknown';
    lines.push(indent + text);
  }
  return lines;
}
