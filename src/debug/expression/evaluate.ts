import { ENCODING } from '../../symbols/dwarf/constants.ts';
import { type Member, type PointerType, sizeOf, stripped, type Type, typeName } from '../../symbols/dwarf/types.ts';
import { DebugError } from '../target.ts';
import { floatBytes, floatNumber } from '../values/float.ts';
import { activeMembers } from '../values/rust.ts';
import { isFloat, isSigned, TypedValue, type ValueSource } from '../values/value.ts';
import { arrayOf, CHAR, DOUBLE, FLOAT, INT, LONG, pointerTo, UNSIGNED, UNSIGNED_LONG, WORD } from './builtin.ts';
import type { Node } from './parse.ts';

/** What an expression's names mean. */
export interface Scope {
  readonly source: ValueSource;
  /** A variable, function or symbol. @throws DebugError when there is none */
  variable(name: string): TypedValue;
  /** @throws DebugError when there is none */
  register(name: string): TypedValue;
}

/** Most objects that `@` puts together. */
const MOST = 1 << 20;
const DEEPEST = 32;

/** What an expression is worth. @throws DebugError saying why it is worth nothing */
export function evaluate(node: Node, scope: Scope): TypedValue {
  switch (node.kind) {
    case 'number':
      return TypedValue.of(scope.source, literalType(node.value, node.suffix), node.value);
    case 'float':
      return new TypedValue(scope.source, DOUBLE, { bytes: floatBytes(node.value, 8)! });
    case 'character':
      return TypedValue.of(scope.source, CHAR, BigInt(node.value));
    case 'name':
      return scope.variable(node.name);
    case 'register':
      return scope.register(node.name);
    case 'member':
      return member(evaluate(node.of, scope), node.name);
    case 'element':
      return element(evaluate(node.of, scope).referred, evaluate(node.index, scope));
    case 'memory':
      return TypedValue.at(scope.source, node.type, addressOf(evaluate(node.address, scope)));
    case 'cast':
      return converted(evaluate(node.operand, scope), node.type);
    case 'size':
      return TypedValue.of(scope.source, UNSIGNED_LONG, BigInt(sizeOf(node.type)));
    case 'choice':
      return evaluate(truth(evaluate(node.test, scope)) ? node.yes : node.no, scope);
    case 'unary':
      return unary(node.operator, evaluate(node.operand, scope), scope);
    case 'binary':
      return binary(node.operator, node.left, node.right, scope);
  }
}

const literalType = (value: bigint, suffix: string): Type => {
  const long = suffix.includes('l') || value >= 1n << 32n;
  if (suffix.includes('u')) return long ? UNSIGNED_LONG : UNSIGNED;
  if (value >= 1n << 63n) return UNSIGNED_LONG;
  return long || value >= 1n << 31n ? LONG : INT;
};

/** Whether a value counts as true. */
export function truth(value: TypedValue): boolean {
  const v = value.referred;
  return isFloat(v.type) ? floatNumber(v.bytes) !== 0 : v.number !== 0n;
}

/** The address that a value is meant to be: a pointer's, an array's or function's own, or a number. */
function addressOf(value: TypedValue): bigint {
  return BigInt.asUintN(64, value.referred.number);
}

/** A member of a structure, of one that a pointer leads to, or of an anonymous part or base class. @throws DebugError when there is none */
export function member(of: TypedValue, name: string): TypedValue {
  let owner = of.referred;
  while (stripped(owner.type).kind === 'pointer') owner = owner.target;
  const found = memberOf(owner, name, 0);
  if (found === undefined) throw new DebugError(`${typeName(owner.type)} has no member ${name}`);
  return found;
}

function memberOf(owner: TypedValue, name: string, depth: number): TypedValue | undefined {
  const type = stripped(owner.type);
  if (type.kind !== 'struct' || depth > DEEPEST) return undefined;
  const members = [...type.members, ...(activeMembers(owner, type) ?? [])];
  const isCalled = (m: Member): boolean => m.name === name || (type.rust && m.name === `__${name}`);
  const own = members.find(isCalled);
  if (own !== undefined) return owner.member(own);
  for (const m of members) {
    if (m.name !== undefined && !m.base && !type.variants) continue;
    const found = memberOf(owner.member(m), name, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function element(of: TypedValue, index: TypedValue): TypedValue {
  return of.element(BigInt.asIntN(64, index.referred.number));
}

function unary(operator: string, written: TypedValue, { source }: Scope): TypedValue {
  const operand = operator === '&' || operator === 'sizeof' ? written : written.referred;
  switch (operator) {
    case '&': {
      const whole = written.referred;
      // A symbol without a type already is its address.
      if (whole.type === WORD && whole.place === undefined) return whole;
      if (whole.address === undefined)
        throw new DebugError(whole.missing ?? 'it is in a register or was computed: it has no address');
      return TypedValue.of(source, pointerTo(whole.type), whole.address);
    }
    case 'sizeof':
      return TypedValue.of(source, UNSIGNED_LONG, BigInt(written.referred.size));
    case '*': {
      const type = stripped(operand.type);
      if (type.kind === 'function') return operand;
      if (type.kind !== 'pointer' && type.kind !== 'array')
        return TypedValue.at(source, UNSIGNED_LONG, BigInt.asUintN(64, operand.number));
      return operand.target;
    }
    case '!':
      return TypedValue.of(source, INT, truth(operand) ? 0n : 1n);
    case '-':
    case '+':
      if (isFloat(operand.type)) {
        const v = floatNumber(operand.bytes);
        return new TypedValue(source, DOUBLE, { bytes: floatBytes(operator === '-' ? -v : v, 8)! });
      }
      return TypedValue.of(source, promoted(operand.type), operator === '-' ? -operand.number : operand.number);
    default:
      return TypedValue.of(source, promoted(operand.type), ~operand.number);
  }
}

/** An integer type after C's promotions (C11, section 6.3.1.1). */
function promoted(type: Type): Type {
  if (type === WORD) return WORD;
  const t = stripped(type);
  const size = t.size;
  if (t.kind === 'pointer' || t.kind === 'array' || t.kind === 'function') return UNSIGNED_LONG;
  if (size < 4) return INT;
  return isSigned(t)
    ? size <= 4
      ? INT
      : LONG
    : size <= 4
      ? t.kind === 'base' && t.encoding === ENCODING.boolean
        ? INT
        : UNSIGNED
      : UNSIGNED_LONG;
}

/** The type that two integers are computed in (section 6.3.1.8). Registers and addresses compare as signed ones. */
function common(a: Type, b: Type): Type {
  const [x, y] = [promoted(a), promoted(b)];
  if (x === WORD || y === WORD) return WORD;
  if (sizeOf(x) !== sizeOf(y)) return sizeOf(x) > sizeOf(y) ? x : y;
  return isSigned(x) ? y : x;
}

const flag = (v: boolean): bigint => (v ? 1n : 0n);

function binary(operator: string, leftNode: Node, rightNode: Node, scope: Scope): TypedValue {
  const { source } = scope;
  const left = evaluate(leftNode, scope).referred;
  if (operator === '&&' || operator === '||') {
    const decided = truth(left) === (operator === '||');
    return TypedValue.of(source, INT, flag(decided ? operator === '||' : truth(evaluate(rightNode, scope))));
  }
  const right = evaluate(rightNode, scope).referred;
  if (operator === '@') {
    const count = right.number;
    if (left.address === undefined) throw new DebugError('what is before @ must be in memory');
    if (count < 1n || count > MOST) throw new DebugError(`${count} objects: expected 1 to ${MOST}`);
    return TypedValue.at(source, arrayOf(left.type, Number(count)), left.address);
  }
  if (isFloat(left.type) || isFloat(right.type)) return floating(operator, left, right, source);
  const moved = pointers(operator, left, right, source);
  if (moved !== undefined) return moved;
  const type = common(left.type, right.type);
  const bits = 8 * sizeOf(type);
  const cut = (v: bigint): bigint => (isSigned(type) ? BigInt.asIntN(bits, v) : BigInt.asUintN(bits, v));
  const [a, b] = [cut(left.number), cut(right.number)];
  const compared = comparison(operator, a, b);
  if (compared !== undefined) return TypedValue.of(source, INT, flag(compared));
  return TypedValue.of(
    source,
    operator === '<<' || operator === '>>' ? promoted(left.type) : type,
    integer(operator, a, b, left),
  );
}

function comparison<T extends bigint | number>(operator: string, a: T, b: T): boolean | undefined {
  switch (operator) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '>':
      return a > b;
    case '<=':
      return a <= b;
    case '>=':
      return a >= b;
    default:
      return undefined;
  }
}

function integer(operator: string, a: bigint, b: bigint, left: TypedValue): bigint {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
    case '%':
      if (b === 0n) throw new DebugError('division by zero');
      return operator === '/' ? a / b : a % b;
    case '&':
      return a & b;
    case '|':
      return a | b;
    case '^':
      return a ^ b;
    case '<<':
      return left.number << (b & 63n);
    default:
      return left.number >> (b & 63n);
  }
}

function floating(operator: string, left: TypedValue, right: TypedValue, source: ValueSource): TypedValue {
  const number = (v: TypedValue): number => (isFloat(v.type) ? floatNumber(v.bytes) : Number(v.number));
  const [a, b] = [number(left), number(right)];
  const compared = comparison(operator, a, b);
  if (compared !== undefined) return TypedValue.of(source, INT, flag(compared));
  const results: Readonly<Record<string, number>> = { '+': a + b, '-': a - b, '*': a * b, '/': a / b };
  const result = results[operator];
  if (result === undefined) throw new DebugError(`${operator} is not for floating-point numbers`);
  const size = Math.max(...[left, right].map((v) => (isFloat(v.type) ? v.size : 0)));
  const type = size === 4 ? FLOAT : DOUBLE;
  return new TypedValue(source, type, { bytes: floatBytes(result, type.size)! });
}

/** Sums and differences with pointers; undefined for what is no such. */
function pointers(operator: string, left: TypedValue, right: TypedValue, source: ValueSource): TypedValue | undefined {
  if (operator !== '+' && operator !== '-') return undefined;
  const [a, b] = [pointerType(left), pointerType(right)];
  if (a && b && operator === '-')
    return TypedValue.of(
      source,
      LONG,
      BigInt.asIntN(64, left.number - right.number) / BigInt(Math.max(1, sizeOf(a.target))),
    );
  const [pointer, other, type] = a ? [left, right, a] : [right, left, b];
  if (type === undefined || (operator === '-' && !a)) return undefined;
  const by = other.number * BigInt(Math.max(1, sizeOf(type.target)));
  return TypedValue.of(source, type, pointer.number + (operator === '-' ? -by : by));
}

function pointerType({ type }: TypedValue): PointerType | undefined {
  const t = stripped(type);
  if (t.kind === 'pointer') return t;
  return t.kind === 'array' ? pointerTo(t.element) : undefined;
}

/** A value as another type: numbers are converted, objects looked at as if they were of it. @throws DebugError when that makes no sense */
export function converted(written: TypedValue, type: Type): TypedValue {
  const value = written.referred;
  const { source } = value;
  const to = stripped(type);
  if (to.kind === 'struct' || to.kind === 'array') {
    if (value.address === undefined) throw new DebugError(`only an object in memory can be seen as ${typeName(type)}`);
    return TypedValue.at(source, type, value.address);
  }
  if (isFloat(type)) {
    const v = isFloat(value.type) ? floatNumber(value.bytes) : Number(value.number);
    const bytes = floatBytes(v, to.size);
    if (bytes === undefined) throw new DebugError(`${typeName(type)} cannot be computed with`);
    return new TypedValue(source, type, { bytes });
  }
  if (isFloat(value.type)) {
    const v = Math.trunc(floatNumber(value.bytes));
    if (!Number.isFinite(v)) throw new DebugError('this number has no integer value');
    return TypedValue.of(source, type, BigInt(v));
  }
  if (to.kind === 'base' && to.encoding === ENCODING.boolean) return TypedValue.of(source, type, flag(truth(value)));
  return TypedValue.of(source, type, value.number);
}
