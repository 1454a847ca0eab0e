import { type Token, tokenize } from './lexer.ts';
import { ScriptError, type Span } from './script-error.ts';
import type {
  AttachPoint,
  BinaryOperator,
  ProbeBlock,
  ScriptExpression,
  ScriptStatement,
  Target,
  TypeName,
} from './syntax.ts';

/** Binary operators from the loosest to the tightest, as in C. */
const LEVELS: readonly (readonly BinaryOperator[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<', '>', '<=', '>='],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];
const TYPE_WORDS = new Set([
  'struct',
  'union',
  'enum',
  'unsigned',
  'signed',
  'const',
  'char',
  'short',
  'int',
  'long',
  'void',
  'bool',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'u8',
  'u16',
  'u32',
  'u64',
  's8',
  's16',
  's32',
  's64',
  'size_t',
  'ssize_t',
  'pid_t',
  'uid_t',
  'gid_t',
  'int8_t',
  'int16_t',
  'int32_t',
  'int64_t',
  'uint8_t',
  'uint16_t',
  'uint32_t',
  'uint64_t',
]);
const KEYWORDS = ['if', 'else', 'while', 'for', 'unroll', 'return', 'break', 'continue'];

/**
 * Reads a script: probe blocks, each `points /predicate/ { statements }`.
 * @param parameters what `$1`, `$2` … stand for @throws ScriptError
 */
export function parseScript(script: string, parameters: readonly string[] = []): ProbeBlock[] {
  return new Parser(script, parameters).program();
}

class Parser {
  private readonly script: string;
  private readonly parameters: readonly string[];
  private readonly tokens: readonly Token[];
  private at = 0;
  /** Inside `/predicate/`, where a slash ends it. */
  private inPredicate = false;

  constructor(script: string, parameters: readonly string[]) {
    this.script = script;
    this.parameters = parameters;
    this.tokens = tokenize(script);
  }

  program(): ProbeBlock[] {
    const blocks: ProbeBlock[] = [];
    while (this.token.kind !== 'end') blocks.push(this.block());
    if (blocks.length === 0)
      this.fail('a script without a probe: expected something such as  kprobe:do_exit { @[comm] = count(); }');
    return blocks;
  }

  // ---- probes

  private block(): ProbeBlock {
    const { start } = this.token;
    const points = [this.attachPoint()];
    while (this.takes(',')) points.push(this.attachPoint());
    let predicate: ScriptExpression | undefined;
    if (this.takes('/')) {
      this.inPredicate = true;
      predicate = this.expression();
      this.inPredicate = false;
      this.expect('/');
    }
    const body = this.statements();
    return { points, predicate, body, start, end: this.previous.end };
  }

  /** `kprobe:vfs_read`, `uprobe:/bin/bash:readline`, `interval:s:1`, `BEGIN`: read as text, for paths hold what are operators elsewhere. */
  private attachPoint(): AttachPoint {
    const { start } = this.token;
    if (this.token.kind !== 'name')
      this.fail(`${this.shown()} where a probe was expected, such as kprobe:vfs_read or BEGIN`);
    let text = '';
    for (;;) {
      const { token } = this;
      if (token.kind === 'end') break;
      if (text !== '' && token.spaced) break;
      if (token.kind === 'operator' && (token.text === '{' || token.text === ',')) break;
      text += this.script.slice(token.start, token.end);
      this.at++;
    }
    const [provider = '', ...rest] = text.split(':');
    return { provider, parts: quoted(rest), start, end: this.previous.end };
  }

  // ---- statements

  private statements(): ScriptStatement[] {
    this.expect('{');
    const list: ScriptStatement[] = [];
    while (!this.takes('}')) {
      if (this.takes(';')) continue;
      list.push(this.statement());
    }
    return list;
  }

  private statement(): ScriptStatement {
    const { token } = this;
    const { start } = token;
    const spanned = <S extends object>(statement: S): S & Span => ({ ...statement, start, end: this.previous.end });
    if (token.kind === 'name') {
      switch (token.text) {
        case 'if':
          return this.conditional();
        case 'while': {
          this.at++;
          const test = this.parenthesized();
          return spanned({ kind: 'while' as const, test, body: this.statements() });
        }
        case 'unroll': {
          this.at++;
          const count = this.parenthesized();
          return spanned({ kind: 'unroll' as const, count, body: this.statements() });
        }
        case 'for':
          return this.loopOverMap();
        case 'return':
        case 'break':
        case 'continue': {
          this.at++;
          const statement = spanned({ kind: token.text as 'return' | 'break' | 'continue' });
          this.endOfStatement();
          return statement;
        }
      }
    }
    const simple = this.simple();
    this.endOfStatement();
    return spanned(simple);
  }

  private conditional(): ScriptStatement {
    const { start } = this.take();
    const test = this.parenthesized();
    const then = this.statements();
    let otherwise: ScriptStatement[] = [];
    if (this.isName('else')) {
      this.at++;
      otherwise = this.isName('if') ? [this.conditional()] : this.statements();
    }
    return { kind: 'if', test, then, otherwise, start, end: this.previous.end };
  }

  /** `for ($entry : @map) { … }` */
  private loopOverMap(): ScriptStatement {
    const { start } = this.take();
    this.expect('(');
    const variable = this.take();
    if (variable.kind !== 'variable')
      this.failAt(variable, `${shownToken(variable)} where a variable such as $entry was expected`);
    this.expect(':');
    const map = this.take();
    if (map.kind !== 'map') this.failAt(map, `${shownToken(map)} where a map such as @counts was expected`);
    this.expect(')');
    return {
      kind: 'for',
      variable: variable.text,
      map: map.text,
      body: this.statements(),
      start,
      end: this.previous.end,
    };
  }

  private simple(): ScriptStatement {
    const { start } = this.token;
    const early = this.isOperator('++') || this.isOperator('--') ? this.take().text : undefined;
    const expression = this.expression();
    const end = expression.end;
    const step = early ?? (this.isOperator('++') || this.isOperator('--') ? this.take().text : undefined);
    if (step !== undefined)
      return { kind: 'step', target: this.target(expression), by: step === '++' ? 1n : -1n, start, end };
    if (this.token.kind === 'operator' && /^(?:[-+*/%&|^]|<<|>>)?=$/.test(this.token.text)) {
      const text = this.take().text.slice(0, -1);
      const target = this.target(expression);
      const operator = text === '' ? undefined : (text as BinaryOperator);
      return { kind: 'assign', target, operator, value: this.expression(), start, end: this.previous.end };
    }
    return { kind: 'expression', expression, start, end };
  }

  private target(expression: ScriptExpression): Target {
    if (expression.kind !== 'variable' && expression.kind !== 'map') {
      throw new ScriptError('only a variable ($x) or a map (@x) can be assigned to', this.script, expression);
    }
    return expression;
  }

  private endOfStatement(): void {
    if (this.takes(';') || this.isOperator('}')) return;
    if (this.previous.kind === 'operator' && this.previous.text === '}') return;
    this.fail(`${this.shown()} where the statement before ends: expected ; or }`);
  }

  // ---- expressions

  private parenthesized(): ScriptExpression {
    this.expect('(');
    const outside = this.inPredicate;
    this.inPredicate = false;
    const expression = this.expression();
    this.inPredicate = outside;
    this.expect(')');
    return expression;
  }

  private expression(): ScriptExpression {
    const test = this.binary(0);
    if (!this.takes('?')) return test;
    const then = this.expression();
    this.expect(':');
    const otherwise = this.expression();
    return { kind: 'conditional', test, then, otherwise, start: test.start, end: otherwise.end };
  }

  private binary(level: number): ScriptExpression {
    const operators = LEVELS[level];
    if (operators === undefined) return this.unary();
    let left = this.binary(level + 1);
    for (;;) {
      const { token } = this;
      const operator = token.kind === 'operator' ? operators.find((o) => o === token.text) : undefined;
      if (operator === undefined || (operator === '/' && this.inPredicate)) return left;
      this.at++;
      const right = this.binary(level + 1);
      left = { kind: 'binary', operator, left, right, start: left.start, end: right.end };
    }
  }

  private unary(): ScriptExpression {
    const { token } = this;
    if (token.kind === 'operator' && /^[-!~*&]$/.test(token.text)) {
      this.at++;
      const operand = this.unary();
      return { kind: 'unary', operator: token.text as '!', operand, start: token.start, end: operand.end };
    }
    if (this.isOperator('(') && this.isTypeAt(this.at + 1)) {
      this.at++;
      const type = this.type();
      this.expect(')');
      const operand = this.unary();
      return { kind: 'cast', type, operand, start: token.start, end: operand.end };
    }
    return this.postfix(this.primary());
  }

  private postfix(start: ScriptExpression): ScriptExpression {
    let object = start;
    for (;;) {
      if (this.isOperator('.') || this.isOperator('->')) {
        const arrow = this.take().text === '->';
        const field = this.take();
        if (field.kind !== 'name' && field.kind !== 'number')
          this.failAt(field, `${shownToken(field)} where the name of a field was expected`);
        object = {
          kind: 'member',
          object,
          field: field.text,
          arrow,
          fieldSpan: field,
          start: object.start,
          end: field.end,
        };
      } else if (this.isOperator('[') && object.kind !== 'map') {
        this.at++;
        const index = this.expression();
        this.expect(']');
        object = { kind: 'index', object, index, start: object.start, end: this.previous.end };
      } else return object;
    }
  }

  private primary(): ScriptExpression {
    const token = this.take();
    const { start, end } = token;
    switch (token.kind) {
      case 'number':
        return { kind: 'number', value: token.value, start, end };
      case 'string':
        return { kind: 'string', value: token.text, start, end };
      case 'variable':
        return { kind: 'variable', name: token.text, start, end };
      case 'parameter':
        return this.parameter(token);
      case 'map':
        return {
          kind: 'map',
          name: token.text,
          key: this.takes('[') ? this.list(']') : [],
          start,
          end: this.previous.end,
        };
      case 'name':
        return this.name(token);
      case 'operator':
        if (token.text === '(') return this.group(start);
    }
    return this.failAt(token, `${shownToken(token)} where an expression was expected`);
  }

  private group(start: number): ScriptExpression {
    const outside = this.inPredicate;
    this.inPredicate = false;
    const items = this.list(')');
    this.inPredicate = outside;
    if (items.length === 1) return { ...items[0]!, start, end: this.previous.end };
    return { kind: 'tuple', items, start, end: this.previous.end };
  }

  private name(token: Token): ScriptExpression {
    const { start, end } = token;
    if (KEYWORDS.includes(token.text)) this.failAt(token, `"${token.text}" where an expression was expected`);
    if (token.text === 'sizeof' && this.isOperator('(')) {
      this.at++;
      const type = this.type();
      this.expect(')');
      return { kind: 'sizeof', type, start, end: this.previous.end };
    }
    if (!this.takes('(')) return { kind: 'name', name: token.text, start, end };
    const outside = this.inPredicate;
    this.inPredicate = false;
    const args = this.list(')');
    this.inPredicate = outside;
    return { kind: 'call', name: token.text, args, nameSpan: token, start, end: this.previous.end };
  }

  private parameter(token: Token): ScriptExpression {
    const { start, end } = token;
    if (token.text === '$#') return { kind: 'number', value: BigInt(this.parameters.length), start, end };
    const text = this.parameters[Number(token.text.slice(1)) - 1];
    // As in bpftrace, a parameter that was not given is 0.
    if (text === undefined) return { kind: 'number', value: 0n, start, end };
    if (/^-?(?:0[xX][0-9a-fA-F]+|\d+)$/.test(text)) {
      const value = text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text);
      return { kind: 'number', value, start, end };
    }
    return { kind: 'string', value: text, start, end };
  }

  /** Expressions between commas, up to a closing bracket. */
  private list(close: ')' | ']'): ScriptExpression[] {
    const items: ScriptExpression[] = [];
    if (this.takes(close)) return items;
    do items.push(this.expression());
    while (this.takes(','));
    this.expect(close);
    return items;
  }

  // ---- types

  private isTypeAt(at: number): boolean {
    const token = this.tokens[at];
    if (token?.kind !== 'name') return false;
    if (TYPE_WORDS.has(token.text)) return true;
    // (name *) is a cast, (name) and (name * x) are expressions.
    return (
      isOperatorToken(this.tokens[at + 1], '*') &&
      (isOperatorToken(this.tokens[at + 2], ')') || isOperatorToken(this.tokens[at + 2], '*'))
    );
  }

  private type(): TypeName {
    const { start } = this.token;
    const words: string[] = [];
    while (this.token.kind === 'name') {
      const { text } = this.take();
      if (!['struct', 'union', 'enum', 'const', 'signed'].includes(text)) words.push(text);
    }
    if (words.length === 0) this.fail(`${this.shown()} where the name of a type was expected`);
    let pointers = 0;
    while (this.takes('*')) pointers++;
    return { name: words.join(' '), pointers, start, end: this.previous.end };
  }

  // ---- tokens

  private get token(): Token {
    return this.tokens[this.at]!;
  }

  private get previous(): Token {
    return this.tokens[Math.max(0, this.at - 1)]!;
  }

  private take(): Token {
    const { token } = this;
    if (token.kind !== 'end') this.at++;
    return token;
  }

  private isOperator(text: string): boolean {
    return isOperatorToken(this.token, text);
  }

  private isName(text: string): boolean {
    return this.token.kind === 'name' && this.token.text === text;
  }

  private takes(text: string): boolean {
    if (!this.isOperator(text)) return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (!this.takes(text)) this.fail(`${this.shown()} where ${text} was expected`);
  }

  private shown(): string {
    return shownToken(this.token);
  }

  private fail(reason: string): never {
    return this.failAt(this.token, reason);
  }

  private failAt(span: Span, reason: string): never {
    throw new ScriptError(reason, this.script, span);
  }
}

const isOperatorToken = (token: Token | undefined, text: string): boolean =>
  token?.kind === 'operator' && token.text === text;
const shownToken = (token: Token): string => (token.kind === 'end' ? token.text : `"${token.text}"`);

/** A part in double quotes may hold colons. */
function quoted(parts: readonly string[]): string[] {
  const out: string[] = [];
  let open: string | undefined;
  for (const part of parts) {
    const text = open === undefined ? part : `${open}:${part}`;
    const quotes = text.split('"').length - 1;
    if (quotes % 2 === 1) open = text;
    else {
      open = undefined;
      out.push(text.replaceAll('"', ''));
    }
  }
  return open === undefined ? out : [...out, open.replaceAll('"', '')];
}
