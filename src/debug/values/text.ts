/** Characters and strings as gdb shows them. */

const ESCAPES: Readonly<Record<number, string>> = {
  7: '\\a',
  8: '\\b',
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  27: '\\033',
};
/** Equal elements from this many on are counted instead of written, in arrays; in strings from one more on. */
export const REPEATS = 10;
/** Elements and characters shown of one object. */
export const ELEMENTS = 200;

function escaped(c: number, quote: string): string {
  const known = ESCAPES[c];
  if (known !== undefined) return known;
  if (c < 32 || c > 126) return `\\${(c & 0xff).toString(8).padStart(3, '0')}`;
  const text = String.fromCharCode(c);
  return text === quote || text === '\\' ? `\\${text}` : text;
}

/** `97 'a'`. @param prefix of wider characters: `u` or `U` */
export function characterText(value: bigint, prefix = ''): string {
  const code = Number(prefix === '' ? BigInt.asUintN(8, value) : BigInt.asUintN(32, value));
  const text = code > 126 && prefix !== '' && code <= 0x10ffff ? String.fromCodePoint(code) : escaped(code, "'");
  return `${value} ${prefix}'${text}'`;
}

/** A string in quotes; runs of equal characters are counted. @param cut more follows */
export function stringText(bytes: Uint8Array, cut = false): string {
  if (bytes.length === 0) return cut ? '""...' : '""';
  const parts: string[] = [];
  let quoted = '';
  const flush = (): void => {
    if (quoted !== '') parts.push(`"${quoted}"`);
    quoted = '';
  };
  for (let i = 0; i < bytes.length; ) {
    let run = 1;
    while (i + run < bytes.length && bytes[i + run] === bytes[i]) run++;
    if (run > REPEATS) {
      flush();
      parts.push(`'${escaped(bytes[i], "'")}' <repeats ${run} times>`);
    } else quoted += escaped(bytes[i], '"').repeat(run);
    i += run;
  }
  flush();
  return parts.join(', ') + (cut ? '...' : '');
}
