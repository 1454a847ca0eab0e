import type { MachineView } from '../target.ts';
import { readVirtual } from '../memory.ts';

/**
 * Conditions of breakpoints as gdb sends them: bytecode of its stack machine ("Debugging with GDB", appendix "The GDB Agent Expression
 * Mechanism"). Only what conditions can hold; trace operations are refused.
 */

/** How the evaluator reaches a register by gdb's number. */
export type RegisterReader = (view: MachineView, hart: number, number: number) => bigint | undefined;

/** A condition cannot be evaluated: gdb then gets a true one, so nothing is missed. */
class AgentError extends Error {}

const MAX_STEPS = 100_000;
const MAX_STACK = 1024;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);
const s64 = (v: bigint): bigint => BigInt.asIntN(64, v);
const bool = (v: boolean): bigint => (v ? 1n : 0n);

/** Operations on the two topmost values: (below, top). */
const BINARY: Readonly<Record<number, (a: bigint, b: bigint) => bigint>> = {
  0x02: (a, b) => a + b,
  0x03: (a, b) => a - b,
  0x04: (a, b) => a * b,
  0x05: (a, b) => divide(s64(a), s64(b)),
  0x06: (a, b) => divide(a, b),
  0x07: (a, b) => remainder(s64(a), s64(b)),
  0x08: (a, b) => remainder(a, b),
  0x09: (a, b) => (b > 63n ? 0n : a << b),
  0x0a: (a, b) => s64(a) >> (b > 63n ? 63n : b),
  0x0b: (a, b) => (b > 63n ? 0n : a >> b),
  0x0f: (a, b) => a & b,
  0x10: (a, b) => a | b,
  0x11: (a, b) => a ^ b,
  0x13: (a, b) => bool(a === b),
  0x14: (a, b) => bool(s64(a) < s64(b)),
  0x15: (a, b) => bool(a < b),
};

function divide(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new AgentError('division by zero');
  return a / b;
}

function remainder(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new AgentError('division by zero');
  return a % b;
}

/**
 * Makes a predicate of bytecode.
 * @returns a function that is also true when the expression fails (bad memory, malformed code): a condition that cannot be told must stop
 */
export function agentCondition(code: Uint8Array, register: RegisterReader): (view: MachineView, hart: number) => boolean {
  return (view, hart) => {
    try {
      return evaluate(code, view, hart, register) !== 0n;
    } catch (e) {
      if (e instanceof AgentError) return true;
      throw e;
    }
  };
}

function evaluate(code: Uint8Array, view: MachineView, hart: number, register: RegisterReader): bigint {
  const stack: bigint[] = [];
  let pc = 0;
  const pop = (): bigint => {
    const v = stack.pop();
    if (v === undefined) throw new AgentError('stack is empty');
    return v;
  };
  const push = (v: bigint): void => {
    if (stack.length >= MAX_STACK) throw new AgentError('stack is full');
    stack.push(u64(v));
  };
  const immediate = (bytes: number): bigint => {
    if (pc + bytes > code.length) throw new AgentError('code ends in an operand');
    let v = 0n;
    for (let i = 0; i < bytes; i++) v = (v << 8n) | BigInt(code[pc++]);
    return v;
  };
  const load = (bytes: number): void => {
    const data = readVirtual(view, hart, pop(), bytes);
    if (data.length < bytes) throw new AgentError('memory cannot be read');
    let v = 0n;
    for (let i = bytes - 1; i >= 0; i--) v = (v << 8n) | BigInt(data[i]);
    push(v);
  };
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    if (pc >= code.length) throw new AgentError('code has no end');
    const op = code[pc++];
    const binary = BINARY[op];
    if (binary) {
      const b = pop();
      push(binary(pop(), b));
      continue;
    }
    switch (op) {
      case 0x0e: push(bool(pop() === 0n)); break;
      case 0x12: push(~pop()); break;
      case 0x16: push(BigInt.asIntN(Number(immediate(1)), pop())); break;
      case 0x2a: push(BigInt.asUintN(Number(immediate(1)), pop())); break;
      case 0x17: load(1); break;
      case 0x18: load(2); break;
      case 0x19: load(4); break;
      case 0x1a: load(8); break;
      case 0x20: {
        const to = Number(immediate(2));
        if (pop() !== 0n) pc = to;
        break;
      }
      case 0x21: pc = Number(immediate(2)); break;
      case 0x22: push(immediate(1)); break;
      case 0x23: push(immediate(2)); break;
      case 0x24: push(immediate(4)); break;
      case 0x25: push(immediate(8)); break;
      case 0x26: {
        const value = register(view, hart, Number(immediate(2)));
        if (value === undefined) throw new AgentError('no such register');
        push(value);
        break;
      }
      case 0x27: return pop();
      case 0x28: {
        const v = pop();
        push(v);
        push(v);
        break;
      }
      case 0x29: pop(); break;
      case 0x2b: {
        const b = pop();
        const a = pop();
        push(b);
        push(a);
        break;
      }
      case 0x32: {
        const depth = Number(immediate(1));
        if (depth >= stack.length) throw new AgentError('stack is too low');
        push(stack[stack.length - 1 - depth]);
        break;
      }
      case 0x33: {
        const c = pop();
        const b = pop();
        const a = pop();
        push(c);
        push(a);
        push(b);
        break;
      }
      default: throw new AgentError(`operation ${op} is not for conditions`);
    }
  }
  throw new AgentError('runs too long');
}
