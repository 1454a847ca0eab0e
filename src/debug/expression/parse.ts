import type { Type } from '../../symbols/dwarf/types.ts';
import { DebugError } from '../target.ts';
import { arrayOf, builtinType, constant, pointerTo, TYPE_WORDS } from './builtin.ts';

/** An expression as it was written. */
export type Node =
  | { readonly kind: 'number'; readonly value: bigint; readonly suffix: string }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'character'; readonly value: number }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'register'; readonly name: string }
  | { readonly kind: 'unary'; readonly operator: string; readonly operand: Node }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: Node; readonly right: Node }
  | { readonly kind: 'choice'; readonly test: Node; readonly yes: Node; readonly no: Node }
  | { readonly kind: 'member'; readonly of: Node; readonly name: string; readonly arrow: boolean }
  | { readonly kind: 'element'; readonly of: Node; readonly index: Node }
  /** `u32[E]`: memory at an address. */
  | { readonly kind: 'memory'; readonly type: Type; readonly address: Node }
  | { readonly kind: 'cast'; readonly type: Type; readonly operand: Node }
  | { readonly kind: 'size'; readonly type: Type };

/** What names mean while an expression is read: `(name)` before an operand is a cast only where it names a type. */
export interface NameScope {
  type(name: string): Type | undefined;
}

/** What a user types to look at something or to change it. */
export interface ConsoleLine {
  /** What is set to the value, if anything is. */
  readonly target?: Node;
  readonly value: Node;
  readonly hex: boolean;
}

/** Binary operators, loosest first. */
const LEVELS: readonly ReadonlySet<string>[] = [
  new Set(['||']),
  new Set(['&&']),
  new Set(['|']),
  new Set(['^']),
  new Set(['&']),
  new Set(['==', '!=']),
  new Set(['<', '>', '<=', '>=']),
  new Set(['<<', '>>']),
  // gdb's: objects that lie one after the other.
  new Set(['@']),
  new Set(['+', '-']),
  new Set(['*', '/', '%']),
];
const TOKEN =
  /\s*(0[xX][0-9a-fA-F]+[uUlL]*|0[bB][01]+[uUlL]*|(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?[fF]?|\d+[eE][-+]?\d+|\d+[uUlL]*|'(?:[^'\\]|\\.[0-7]{0,2})'|\$?[A-Za-z_][A-Za-z_0-9$]*(?:::[A-Za-z_~][A-Za-z_0-9$]*)*|::[A-Za-z_][A-Za-z_0-9]*|->|\|\||&&|==|!=|=|<=|>=|<<|>>|[-+*/%&|^~!<>()[\].?:@,])/y;
const MOST_TOKENS = 200;
const DEEPEST = 100;
const ESCAPES: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, '0': 0, a: 7, b: 8, f: 12, v: 11, e: 27 };
const SIZED = /^([ui])(8|16|32|64)$/;

class Parser {
  private readonly tokens: string[] = [];
  private at = 0;
  private depth = 0;
  private readonly text: string;
  private readonly names: NameScope;

  constructor(text: string, names: NameScope) {
    this.text = text;
    this.names = names;
    const whole = text.trimEnd();
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < whole.length) {
      const from = TOKEN.lastIndex;
      const m = TOKEN.exec(whole);
      if (!m) throw new DebugError(`"${text}": cannot read at column ${from + 1}`);
      this.tokens.push(m[1]);
    }
    if (this.tokens.length > MOST_TOKENS) throw new DebugError('the expression is too long');
  }

  whole(): Node {
    const e = this.choice();
    this.end();
    return e;
  }

  statement(): ConsoleLine {
    const value = this.choice();
    const to = this.take('=') ? this.choice() : undefined;
    const hex = this.take(',') ? this.hex() : false;
    this.end();
    return to === undefined ? { value, hex } : { value: to, target: value, hex };
  }

  private hex(): boolean {
    const format = this.tokens[this.at++];
    if (format !== 'x' && format !== 'h' && format !== 'd')
      throw new DebugError(`"${this.text}": after a comma x (hexadecimal) or d (decimal) was expected`);
    return format !== 'd';
  }

  private end(): void {
    if (this.at < this.tokens.length) throw new DebugError(`"${this.text}": unexpected "${this.tokens[this.at]}"`);
  }

  private get token(): string | undefined {
    return this.tokens[this.at];
  }

  private take(token: string): boolean {
    if (this.token !== token) return false;
    this.at++;
    return true;
  }

  private expect(token: string): void {
    if (!this.take(token)) throw new DebugError(`"${this.text}": "${token}" is missing`);
  }

  private choice(): Node {
    if (++this.depth > DEEPEST) throw new DebugError('the expression is nested too deeply');
    const test = this.binary(0);
    this.depth--;
    if (!this.take('?')) return test;
    const yes = this.choice();
    this.expect(':');
    return { kind: 'choice', test, yes, no: this.choice() };
  }

  private binary(level: number): Node {
    if (level === LEVELS.length) return this.unary();
    let left = this.binary(level + 1);
    while (this.token !== undefined && LEVELS[level].has(this.token)) {
      const operator = this.tokens[this.at++];
      left = { kind: 'binary', operator, left, right: this.binary(level + 1) };
    }
    return left;
  }

  private unary(): Node {
    if (++this.depth > DEEPEST) throw new DebugError('the expression is nested too deeply');
    const node = this.prefix();
    this.depth--;
    return node;
  }

  private prefix(): Node {
    const t = this.token;
    if (t === undefined) throw new DebugError(`"${this.text}" ends too early`);
    if (['-', '+', '~', '!', '&', '*'].includes(t)) {
      this.at++;
      return { kind: 'unary', operator: t, operand: this.unary() };
    }
    if (t === 'sizeof') {
      this.at++;
      const from = this.at;
      if (this.take('(')) {
        const type = this.type();
        if (type !== undefined && this.take(')')) return { kind: 'size', type };
        this.at = from;
      }
      return { kind: 'unary', operator: 'sizeof', operand: this.unary() };
    }
    if (t === '(') {
      const from = this.at++;
      const type = this.type();
      if (type !== undefined && this.take(')') && this.operandFollows())
        return { kind: 'cast', type, operand: this.unary() };
      this.at = from;
    }
    return this.postfix(this.primary());
  }

  private operandFollows(): boolean {
    const t = this.token;
    return t !== undefined && /^[\w$'(~!&*:-]/.test(t) && t !== '->';
  }

  private postfix(first: Node): Node {
    let node = first;
    for (;;) {
      if (this.take('[')) {
        const index = this.choice();
        this.expect(']');
        node = { kind: 'element', of: node, index };
      } else if (this.token === '.' || this.token === '->') {
        const arrow = this.tokens[this.at++] === '->';
        const name = this.tokens[this.at++];
        if (name === undefined || !/^(?:[A-Za-z_][\w:]*|\d+)$/.test(name))
          throw new DebugError(`"${this.text}": a member's name is missing`);
        node = { kind: 'member', of: node, name, arrow };
      } else if (this.token === '(') throw new DebugError('functions cannot be called: nothing runs while you look');
      else return node;
    }
  }

  private primary(): Node {
    const t = this.tokens[this.at++];
    if (t === undefined) throw new DebugError(`"${this.text}" ends too early`);
    if (t === '(') {
      const e = this.choice();
      this.expect(')');
      return e;
    }
    if (t.startsWith("'")) return { kind: 'character', value: character(t.slice(1, -1)) };
    if (/^\.?\d/.test(t)) return literal(t);
    if (t.startsWith('$')) return { kind: 'register', name: t };
    const sized = SIZED.exec(t);
    if (sized && this.take('[')) {
      const address = this.choice();
      this.expect(']');
      return { kind: 'memory', type: builtinType([t])!, address };
    }
    if (/^[A-Za-z_:]/.test(t)) return { kind: 'name', name: t.replace(/^::/, '') };
    throw new DebugError(`"${this.text}": unexpected "${t}"`);
  }

  /** A type's name; undefined, with nothing taken, where there is none. */
  private type(): Type | undefined {
    const from = this.at;
    let type = this.typeWords();
    if (type === undefined) {
      this.at = from;
      return undefined;
    }
    while (this.token === '*' || this.token === '&' || this.token === 'const' || this.token === 'volatile') {
      const t = this.tokens[this.at++];
      type = t === '*' || t === '&' ? pointerTo(type) : constant(type);
    }
    const counts: number[] = [];
    while (this.token === '[' && /^\d+$/.test(this.tokens[this.at + 1] ?? '') && this.tokens[this.at + 2] === ']') {
      counts.push(Number(this.tokens[this.at + 1]));
      this.at += 3;
    }
    for (const count of counts.reverse()) type = arrayOf(type, count);
    return type;
  }

  private typeWords(): Type | undefined {
    const words: string[] = [];
    while (this.token !== undefined && TYPE_WORDS.has(this.token)) {
      const word = this.tokens[this.at++];
      if (['struct', 'union', 'enum', 'class'].includes(word)) {
        const name = this.tokens[this.at++];
        if (name === undefined) return undefined;
        const found = this.names.type(name);
        if (found === undefined) throw new DebugError(`there is no ${word} ${name}`);
        return found;
      }
      if (word !== 'const' && word !== 'volatile') words.push(word);
    }
    if (words.length > 0) return builtinType(words);
    const name = this.token;
    if (name === undefined || !/^[A-Za-z_]/.test(name)) return undefined;
    const found = this.names.type(name) ?? builtinType([name]);
    if (found !== undefined) this.at++;
    return found;
  }
}

function literal(t: string): Node {
  if (/^0[xXbB]/.test(t) || /^\d+[uUlL]*$/.test(t)) {
    const [, digits, suffix] = /^(0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)([uUlL]*)$/.exec(t)!;
    return { kind: 'number', value: BigInt.asUintN(64, BigInt(digits)), suffix: suffix.toLowerCase() };
  }
  return { kind: 'float', value: Number(t.replace(/[fF]$/, '')) };
}

function character(text: string): number {
  if (!text.startsWith('\\')) return text.charCodeAt(0);
  const octal = /^\\([0-7]{1,3})$/.exec(text);
  if (octal) return Number.parseInt(octal[1], 8) & 0xff;
  return ESCAPES[text[1]] ?? text.charCodeAt(1);
}

/** Reads an expression. @throws DebugError saying what cannot be read */
export const parseExpression = (text: string, names: NameScope): Node => new Parser(text, names).whole();

/** Reads an expression, an assignment (`a = b`), either with a format after a comma (`a,x`). @throws DebugError saying what cannot be read */
export const parseStatement = (text: string, names: NameScope): ConsoleLine => new Parser(text, names).statement();

/** An expression and all that it is made of. */
export function* partsOf(node: Node): Generator<Node> {
  yield node;
  for (const part of Object.values(node))
    if (typeof part === 'object' && part !== null && isNode(part)) yield* partsOf(part);
}

const KINDS: ReadonlySet<unknown> = new Set<Node['kind']>([
  ...(['number', 'float', 'character', 'name', 'register', 'unary', 'binary'] as const),
  ...(['choice', 'member', 'element', 'memory', 'cast', 'size'] as const),
]);

const isNode = (part: object): part is Node => 'kind' in part && KINDS.has(part.kind);
