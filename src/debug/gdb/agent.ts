import type { MachineView } from '../../machine/view/machine-view.ts';
import { readNumber } from '../../machine/view/virtual-memory.ts';

/**
 * Conditions of breakpoints as gdb sends them: bytecode of its stack machine ("Debugging with GDB", appendix "The GDB Agent Expression
 * Mechanism"). Only what conditions can hold; trace operations are refused. A condition is read once, into one function per operation: it may
 * be asked a million times.
 */

/** How the evaluator reaches a register by gdb's number. */
export type RegisterReader = (view: MachineView, hart: number, number: number) => bigint | undefined;

/** A condition cannot be evaluated: gdb then gets a true one, so nothing is missed. */
class AgentError extends Error {}

/** What an operation works on. One for all conditions: they are asked one after the other. */
interface Machine {
  view: MachineView;
  hart: number;
  readonly stack: bigint[];
  depth: number;
}

/** An operation. @returns where to go on in the code, or END */
type Operation = (m: Machine) => number;

const MAX_STEPS = 100_000;
const MAX_STACK = 1024;
const END = -1;
const OP = {
  LOGICAL_NOT: 0x0e,
  NOT: 0x12,
  SIGN_EXTEND: 0x16,
  REF8: 0x17,
  REF64: 0x1a,
  IF_GOTO: 0x20,
  GOTO: 0x21,
  CONST8: 0x22,
  CONST64: 0x25,
  REGISTER: 0x26,
  END: 0x27,
  DUP: 0x28,
  POP: 0x29,
  ZERO_EXTEND: 0x2a,
  SWAP: 0x2b,
  PICK: 0x32,
  ROTATE: 0x33,
} as const;

const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);
const s64 = (v: bigint): bigint => BigInt.asIntN(64, v);
const bool = (v: boolean): bigint => (v ? 1n : 0n);

/** Operations on the two topmost values: (below, top). */
const BINARY: Readonly<Record<number, (a: bigint, b: bigint) => bigint>> = {
  2: (a, b) => a + b,
  3: (a, b) => a - b,
  4: (a, b) => a * b,
  5: (a, b) => divide(s64(a), s64(b)),
  6: (a, b) => divide(a, b),
  7: (a, b) => remainder(s64(a), s64(b)),
  8: (a, b) => remainder(a, b),
  9: (a, b) => (b > 63n ? 0n : a << b),
  10: (a, b) => s64(a) >> (b > 63n ? 63n : b),
  11: (a, b) => (b > 63n ? 0n : a >> b),
  15: (a, b) => a & b,
  16: (a, b) => a | b,
  17: (a, b) => a ^ b,
  19: (a, b) => bool(a === b),
  20: (a, b) => bool(s64(a) < s64(b)),
  21: (a, b) => bool(a < b),
};

function divide(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new AgentError('division by zero');
  return a / b;
}

function remainder(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new AgentError('division by zero');
  return a % b;
}

function pop(m: Machine): bigint {
  if (m.depth === 0) throw new AgentError('stack is empty');
  return m.stack[--m.depth];
}

function push(m: Machine, value: bigint): void {
  if (m.depth === MAX_STACK) throw new AgentError('stack is full');
  m.stack[m.depth++] = u64(value);
}

/**
 * Makes a predicate of bytecode.
 * @returns a function that is also true when the expression fails (bad memory, malformed code): a condition that cannot be evaluated must stop
 */
export function agentCondition(
  code: Uint8Array,
  register: RegisterReader,
): (view: MachineView, hart: number) => boolean {
  const operations: (Operation | undefined)[] = [];
  const machine: Machine = { view: undefined as unknown as MachineView, hart: 0, stack: [], depth: 0 };
  return (view, hart) => {
    machine.view = view;
    machine.hart = hart;
    machine.depth = 0;
    let at = 0;
    try {
      for (let steps = 0; steps < MAX_STEPS; steps++) {
        at = (operations[at] ??= read(code, at, register))(machine);
        if (at === END) return pop(machine) !== 0n;
      }
      return true;
    } catch (e) {
      if (e instanceof AgentError) return true;
      throw e;
    }
  };
}

/** Reads the operation at an offset of the code. @throws AgentError when it is none that conditions may hold */
function read(code: Uint8Array, at: number, register: RegisterReader): Operation {
  if (at >= code.length) throw new AgentError('code has no end');
  const op = code[at];
  const next = at + 1;
  const immediate = (bytes: number): bigint => {
    if (next + bytes > code.length) throw new AgentError('code ends in an operand');
    let v = 0n;
    for (let i = 0; i < bytes; i++) v = (v << 8n) | BigInt(code[next + i]);
    return v;
  };
  const unary =
    (f: (v: bigint) => bigint, length = 0): Operation =>
    (m) => {
      push(m, f(pop(m)));
      return next + length;
    };
  const binary = BINARY[op];
  if (binary) {
    return (m) => {
      const b = pop(m);
      push(m, binary(pop(m), b));
      return next;
    };
  }
  if (op >= OP.REF8 && op <= OP.REF64) {
    const bytes = 1 << (op - OP.REF8);
    return (m) => {
      const value = readNumber(m.view, m.hart, pop(m), bytes);
      if (value === undefined) throw new AgentError('memory cannot be read');
      push(m, value);
      return next;
    };
  }
  if (op >= OP.CONST8 && op <= OP.CONST64) {
    const bytes = 1 << (op - OP.CONST8);
    const value = immediate(bytes);
    return (m) => {
      push(m, value);
      return next + bytes;
    };
  }
  switch (op) {
    case OP.LOGICAL_NOT:
      return unary((v) => bool(v === 0n));
    case OP.NOT:
      return unary((v) => ~v);
    case OP.SIGN_EXTEND: {
      const bits = Number(immediate(1));
      return unary((v) => BigInt.asIntN(bits, v), 1);
    }
    case OP.ZERO_EXTEND: {
      const bits = Number(immediate(1));
      return unary((v) => BigInt.asUintN(bits, v), 1);
    }
    case OP.IF_GOTO: {
      const to = Number(immediate(2));
      return (m) => (pop(m) !== 0n ? to : next + 2);
    }
    case OP.GOTO: {
      const to = Number(immediate(2));
      return () => to;
    }
    case OP.REGISTER: {
      const number = Number(immediate(2));
      return (m) => {
        const value = register(m.view, m.hart, number);
        if (value === undefined) throw new AgentError('no such register');
        push(m, value);
        return next + 2;
      };
    }
    case OP.END:
      return () => END;
    default:
      return shuffle(op, immediate, next);
  }
}

/** Operations that only move values on the stack. */
function shuffle(op: number, immediate: (bytes: number) => bigint, next: number): Operation {
  switch (op) {
    case OP.DUP:
      return (m) => {
        const v = pop(m);
        push(m, v);
        push(m, v);
        return next;
      };
    case OP.POP:
      return (m) => {
        pop(m);
        return next;
      };
    case OP.SWAP:
      return (m) => {
        const b = pop(m);
        const a = pop(m);
        push(m, b);
        push(m, a);
        return next;
      };
    case OP.PICK: {
      const depth = Number(immediate(1));
      return (m) => {
        if (depth >= m.depth) throw new AgentError('stack is too low');
        push(m, m.stack[m.depth - 1 - depth]);
        return next + 1;
      };
    }
    case OP.ROTATE:
      return (m) => {
        const c = pop(m);
        const b = pop(m);
        const a = pop(m);
        push(m, c);
        push(m, a);
        push(m, b);
        return next;
      };
    default:
      throw new AgentError(`operation ${op} is not for conditions`);
  }
}
