import { ENCODING } from '../../symbols/dwarf/constants.ts';
import type { AliasType, ArrayType, BaseType, PointerType, Type } from '../../symbols/dwarf/types.ts';

const base = (name: string, size: number, encoding: number): BaseType => ({ kind: 'base', name, size, encoding });

/** A register or an address: 64 bits without a type. */
export const WORD: BaseType = base('long', 8, ENCODING.signed);
export const INT: BaseType = base('int', 4, ENCODING.signed);
export const LONG: BaseType = base('long', 8, ENCODING.signed);
export const UNSIGNED: BaseType = base('unsigned int', 4, ENCODING.unsigned);
export const UNSIGNED_LONG: BaseType = base('unsigned long', 8, ENCODING.unsigned);
export const CHAR: BaseType = base('char', 1, ENCODING.unsignedChar);
const BOOL: BaseType = base('bool', 1, ENCODING.boolean);
export const FLOAT: BaseType = base('float', 4, ENCODING.float);
export const DOUBLE: BaseType = base('double', 8, ENCODING.float);

/** C's types by the words they are written with, in alphabetical order. */
const BY_WORDS: Readonly<Record<string, Type>> = {
  char: CHAR,
  'char signed': base('signed char', 1, ENCODING.signedChar),
  'char unsigned': base('unsigned char', 1, ENCODING.unsignedChar),
  short: base('short', 2, ENCODING.signed),
  'int short': base('short', 2, ENCODING.signed),
  'short unsigned': base('unsigned short', 2, ENCODING.unsigned),
  'int short unsigned': base('unsigned short', 2, ENCODING.unsigned),
  int: INT,
  signed: INT,
  'int signed': INT,
  unsigned: UNSIGNED,
  'int unsigned': UNSIGNED,
  long: LONG,
  'int long': LONG,
  'long long': LONG,
  'long unsigned': UNSIGNED_LONG,
  'int long unsigned': UNSIGNED_LONG,
  'long long unsigned': UNSIGNED_LONG,
  float: FLOAT,
  double: DOUBLE,
  'double long': base('long double', 16, ENCODING.float),
  bool: BOOL,
  _Bool: BOOL,
  void: { kind: 'void', name: 'void', size: 0 },
  // Of fixed sizes, as <stdint.h> and Rust name them.
  ...Object.fromEntries(
    [8, 16, 32, 64].flatMap((bits) => [
      [`int${bits}_t`, base(`int${bits}_t`, bits / 8, ENCODING.signed)],
      [`uint${bits}_t`, base(`uint${bits}_t`, bits / 8, ENCODING.unsigned)],
      [`i${bits}`, base(`i${bits}`, bits / 8, ENCODING.signed)],
      [`u${bits}`, base(`u${bits}`, bits / 8, ENCODING.unsigned)],
    ]),
  ),
  size_t: UNSIGNED_LONG,
};

export const TYPE_WORDS: ReadonlySet<string> = new Set([
  ...['char', 'short', 'int', 'long', 'signed', 'unsigned', 'float', 'double', 'void'],
  ...['bool', '_Bool', 'const', 'volatile', 'struct', 'union', 'enum', 'class'],
]);

export const builtinType = (words: readonly string[]): Type | undefined => {
  const key = [...words].sort().join(' ');
  return Object.hasOwn(BY_WORDS, key) ? BY_WORDS[key] : undefined;
};

export const pointerTo = (target: Type): PointerType => ({ kind: 'pointer', size: 8, sign: '*', target });

export const arrayOf = (element: Type, count: number): ArrayType => ({
  kind: 'array',
  element,
  count,
  size: count * element.size,
});

export const constant = (target: Type): AliasType => ({ kind: 'alias', qualifier: 'const', size: target.size, target });
