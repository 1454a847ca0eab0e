/** What an expression of a script is. */
export type ScriptType =
  /** 64 bits, wrapped; `size` and `signed` say how it was read and how it is shown. */
  | { readonly kind: 'integer'; readonly signed: boolean }
  | { readonly kind: 'string' }
  /** An address of something whose type is known: a type number of the kernel's type information. */
  | { readonly kind: 'pointer'; readonly to: number }
  /** A structure or array in memory: its address, and its type number. */
  | { readonly kind: 'object'; readonly type: number }
  /** The arguments of a tracepoint or function, by name. */
  | { readonly kind: 'arguments' }
  | { readonly kind: 'tuple'; readonly items: readonly ScriptType[] }
  /** What count(), sum() … make of a map. */
  | { readonly kind: 'aggregate'; readonly name: string }
  /** A call that is made for what it does. */
  | { readonly kind: 'nothing' };

/** A value at run time: integers are BigInts, signed or unsigned as their type says; tuples are arrays. */
export type Value = bigint | string | readonly Value[];

export const UNSIGNED: ScriptType = { kind: 'integer', signed: false };
export const SIGNED: ScriptType = { kind: 'integer', signed: true };
export const STRING: ScriptType = { kind: 'string' };
export const NOTHING: ScriptType = { kind: 'nothing' };

/** A type in words, for messages. */
export function typeText(type: ScriptType): string {
  switch (type.kind) {
    case 'integer':
      return 'an integer';
    case 'string':
      return 'a string';
    case 'pointer':
      return 'a pointer';
    case 'object':
      return 'a structure';
    case 'arguments':
      return 'args';
    case 'tuple':
      return 'a tuple';
    case 'aggregate':
      return `${type.name}()`;
    case 'nothing':
      return 'nothing';
  }
}

/** Wraps a result to 64 bits. */
export const wrap = (value: bigint, signed: boolean): bigint =>
  signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);

/** Whether a value counts as true. */
export const isTrue = (value: Value): boolean => (typeof value === 'bigint' ? value !== 0n : value.length > 0);

/** Bytes up to their NUL, as UTF-8. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** What is read where nothing was written. */
export function zeroOf(type: ScriptType): Value {
  if (type.kind === 'string') return '';
  return type.kind === 'tuple' ? type.items.map(zeroOf) : 0n;
}
