import type { Value } from './values.ts';

/** One piece of a printf format: text, or a conversion. */
type Piece =
  | { readonly text: string }
  | {
      readonly flags: string;
      readonly width: number;
      readonly precision: number | undefined;
      readonly conversion: string;
    };

/** A printf format that was taken apart. */
export interface PrintFormat {
  /** `string` or `integer` for each conversion, in order. */
  readonly wants: readonly ('string' | 'integer')[];
  print(values: readonly Value[]): string;
}

/** Reads a printf format: d i u x X o c p s r, with flags, width, precision and length. @returns what is wrong, as text */
export function parseFormat(text: string): PrintFormat | string {
  const pieces: Piece[] = [];
  const pattern = /%(%|([-+ 0#]*)(\d*)(?:\.(\d+))?(?:hh|h|ll|l|z|j)?([a-zA-Z]))|[^%]+|%/y;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const [whole, body, flags = '', width = '', precision, conversion] = match;
    if (whole === '%') return `the format ends in the middle of a conversion: "${text}"`;
    if (body === undefined || body === '%') pieces.push({ text: body ?? whole });
    else if (!'diuxXocpsr'.includes(conversion!))
      return `%${conversion} is no conversion: expected d, u, x, X, o, c, p, s or r`;
    else {
      const digits = precision === undefined ? undefined : Number(precision);
      pieces.push({ flags, width: Number(width), precision: digits, conversion: conversion! });
    }
    if (pattern.lastIndex >= text.length) break;
  }
  const conversions = pieces.flatMap((piece) => ('conversion' in piece ? [piece] : []));
  return {
    wants: conversions.map(({ conversion }) => ('sr'.includes(conversion) ? 'string' : 'integer')),
    print: (values) => {
      let next = 0;
      return pieces.map((piece) => ('text' in piece ? piece.text : convert(piece, values[next++]!))).join('');
    },
  };
}

function convert(piece: Exclude<Piece, { text: string }>, value: Value): string {
  const { flags, width, precision, conversion } = piece;
  let sign = '';
  let text: string;
  if (typeof value !== 'bigint') {
    text = typeof value === 'string' ? value : `(${value.map(String).join(', ')})`;
    if (precision !== undefined) text = text.slice(0, precision);
  } else {
    const unsigned = BigInt.asUintN(64, value);
    switch (conversion) {
      case 'x':
      case 'X':
      case 'p':
        text = unsigned.toString(16);
        if (conversion === 'X') text = text.toUpperCase();
        if (conversion === 'p' || flags.includes('#')) sign = '0x';
        break;
      case 'o':
        text = unsigned.toString(8);
        break;
      case 'u':
        text = unsigned.toString();
        break;
      case 'c':
        text = String.fromCharCode(Number(unsigned & 0xffn));
        break;
      default: {
        const signed = BigInt.asIntN(64, value);
        text = (signed < 0n ? -signed : signed).toString();
        sign = signed < 0n ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
      }
    }
    if (precision !== undefined) text = text.padStart(precision, '0');
  }
  const room = width - sign.length;
  if (flags.includes('-')) return (sign + text).padEnd(width);
  if (flags.includes('0') && typeof value === 'bigint') return sign + text.padStart(room, '0');
  return (sign + text).padStart(width);
}
