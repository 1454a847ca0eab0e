import { ScriptError, type Span } from './script-error.ts';

/** Kinds of tokens; `name` and `string` carry text, `number` a value. */
export type TokenKind = 'number' | 'string' | 'name' | 'variable' | 'map' | 'parameter' | 'operator' | 'end';

export interface Token extends Span {
  readonly kind: TokenKind;
  /** Of a string without quotes and escapes; of a variable, map or parameter with its `$` or `@`. */
  readonly text: string;
  readonly value: bigint;
  /** White space or a comment came before it. */
  readonly spaced: boolean;
}

const OPERATORS = [
  '<<=',
  '>>=',
  '->',
  '++',
  '--',
  '&&',
  '||',
  '==',
  '!=',
  '<=',
  '>=',
  '<<',
  '>>',
  '+=',
  '-=',
  '*=',
  '/=',
  '%=',
  '&=',
  '|=',
  '^=',
  '{',
  '}',
  '(',
  ')',
  '[',
  ']',
  ';',
  ',',
  ':',
  '?',
  '.',
  '+',
  '-',
  '*',
  '/',
  '%',
  '&',
  '|',
  '^',
  '~',
  '!',
  '<',
  '>',
  '=',
  '@',
];
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '"': '"',
  '\\': '\\',
  "'": "'",
  a: '\x07',
  e: '\x1b',
  0: '\0',
};
/** Suffixes of durations, in nanoseconds. */
const DURATIONS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** Cuts a script into tokens. Comments are `//` and those between slashes and stars; a `#!` line at the beginning is one too. @throws ScriptError */
export function tokenize(script: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let spaced = false;
  const fail = (reason: string, start: number, end = start + 1): never => {
    throw new ScriptError(reason, script, { start, end });
  };
  const push = (kind: TokenKind, end: number, text = script.slice(at, end), value = 0n): void => {
    tokens.push({ kind, text, value, start: at, end, spaced });
    at = end;
    spaced = false;
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(script)?.[0];
  };
  while (at < script.length) {
    const skipped = match(/\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\//y) ?? (at === 0 ? match(/#![^\n]*/y) : undefined);
    if (skipped !== undefined) {
      at += skipped.length;
      spaced = true;
      continue;
    }
    if (script.startsWith('/*', at)) fail('this comment has no end', at, at + 2);
    const number = match(/0[xX][0-9a-fA-F_]+|\d[\d_]*(?:e\d+)?/y);
    if (number !== undefined) {
      const suffix = /^(?:[uU]?[lL]{0,2}|ns|us|ms|s|m|h)(?![\w])/.exec(script.slice(at + number.length))?.[0] ?? '';
      const next = script[at + number.length + suffix.length];
      if (next !== undefined && /\w/.test(next)) fail(`"${match(/\w+/y)}" is no number`, at, at + number.length + 1);
      const [digits = '', exponent] = number.replaceAll('_', '').split(/(?<!^0[xX].*)e/);
      const value = BigInt(digits) * 10n ** BigInt(exponent ?? 0) * (DURATIONS[suffix] ?? 1n);
      push('number', at + number.length + suffix.length, number + suffix, value);
      continue;
    }
    if (script[at] === '"') {
      pushString();
      continue;
    }
    const word = match(/[A-Za-z_]\w*/y);
    if (word !== undefined) {
      push('name', at + word.length);
      continue;
    }
    const sigil = match(/\$\d+|\$#|\$[A-Za-z_]\w*|@[A-Za-z_]\w*|@/y);
    if (sigil !== undefined) {
      push(sigil[0] === '@' ? 'map' : /^\$[\d#]/.test(sigil) ? 'parameter' : 'variable', at + sigil.length);
      continue;
    }
    const operator = OPERATORS.find((o) => script.startsWith(o, at));
    if (operator === undefined) fail(`"${script[at]}" means nothing here`, at);
    push('operator', at + operator!.length);
  }
  at = script.length;
  push('end', script.length, 'the end of the script');
  return tokens;

  function pushString(): void {
    let text = '';
    for (let end = at + 1; ; end++) {
      const c = script[end];
      if (c === undefined || c === '\n') fail('this string has no end', at, end);
      if (c === '"') return push('string', end + 1, text);
      if (c !== '\\') {
        text += c;
        continue;
      }
      const letter = script[++end] ?? '';
      const hex = letter === 'x' ? /^[0-9a-fA-F]{1,2}/.exec(script.slice(end + 1))?.[0] : undefined;
      if (hex !== undefined) {
        text += String.fromCharCode(Number.parseInt(hex, 16));
        end += hex.length;
      } else if (ESCAPES[letter] !== undefined) text += ESCAPES[letter];
      else fail(`"\\${letter}" is no escape in a string`, end - 1, end + 1);
    }
  }
}
