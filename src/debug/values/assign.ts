import type { RegisterId } from '../../machine/view/machine-view.ts';
import { F, X } from '../../machine/view/machine-view.ts';
import { stripped, typeName } from '../../symbols/dwarf/types.ts';
import { converted } from '../expression/evaluate.ts';
import { DebugError } from '../target.ts';
import { numberBytes, type TypedValue } from './value.ts';

const FLOATS = 32;

/** Where values are written to. */
export interface Writer {
  memory(address: bigint, bytes: Uint8Array): void;
  register(id: RegisterId, value: bigint): void;
}

/** Gives an object another value, converted to its type. @throws DebugError when it has no place, or the value does not fit */
export function assign(target: TypedValue, value: TypedValue, writer: Writer): void {
  const to = target.referred;
  if (to.missing !== undefined) throw new DebugError(`it is ${to.missing}: there is nothing to set`);
  const { place, bits } = to;
  if (place === undefined) throw new DebugError('it is computed from other values: it has no place of its own to set');
  const kind = stripped(to.type).kind;
  if (kind === 'array' || (kind === 'struct' && stripped(value.type) !== stripped(to.type)))
    throw new DebugError(`a ${typeName(to.type)} is set by its parts`);
  const bytes = kind === 'struct' ? value.bytes : converted(value, to.type).bytes;
  if (place.kind === 'register') {
    let raw = 0n;
    for (let i = bytes.length - 1; i >= 0; i--) raw = (raw << 8n) | BigInt(bytes[i]);
    writer.register(place.number < FLOATS ? X(place.number) : F(place.number - FLOATS), raw);
    return;
  }
  if (bits === undefined) {
    writer.memory(place.address, bytes);
    return;
  }
  const length = Math.ceil((bits.from + bits.count) / 8);
  const old = to.source.read(place.address, length);
  let whole = 0n;
  for (let i = length - 1; i >= 0; i--) whole = (whole << 8n) | BigInt(old[i] ?? 0);
  const mask = ((1n << BigInt(bits.count)) - 1n) << BigInt(bits.from);
  const part = (converted(value, to.type).raw << BigInt(bits.from)) & mask;
  writer.memory(place.address, numberBytes((whole & ~mask) | part, length));
}
