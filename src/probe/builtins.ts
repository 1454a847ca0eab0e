import type { ProbeContext } from './environment.ts';
import { type ScriptType, SIGNED, STRING, UNSIGNED, type Value } from './values.ts';

/** A name that stands for something of the instant where a probe was met. */
export interface Builtin {
  readonly type: ScriptType;
  readonly read: (context: ProbeContext) => Value;
}

const STACK_LIMIT = 127;
const A0 = 10;

const integer = (read: (context: ProbeContext) => bigint | number): Builtin => ({
  type: UNSIGNED,
  read: (context) => BigInt(read(context)),
});
const text = (read: (context: ProbeContext) => string): Builtin => ({ type: STRING, read });

/** Builtins by name, with bpftrace's names where it has them. `instret` and `hart` are ours. */
export const BUILTINS: Readonly<Record<string, Builtin>> = {
  pid: integer(({ tgid }) => tgid),
  tid: integer(({ pid }) => pid),
  comm: text(({ comm }) => comm),
  curtask: integer(({ task }) => task),
  cpu: integer(({ hart }) => hart),
  hart: integer(({ hart }) => hart),
  nsecs: integer(({ time }) => time),
  elapsed: integer(({ time }) => time),
  instret: integer(({ instructions }) => instructions),
  retval: { type: SIGNED, read: ({ x }) => BigInt.asIntN(64, x(A0)) },
  func: text((context) => functionOf(context.probe)),
  probe: text(({ probe }) => probe),
  kstack: text(({ stack }) => stack(false, STACK_LIMIT)),
  ustack: text(({ stack }) => stack(true, STACK_LIMIT)),
  ...Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`arg${i}`, integer(({ x }) => x(A0 + i))])),
};

/** `vfs_read` of `kprobe:vfs_read`, `main` of `uprobe:/bin/cat:main`. */
const functionOf = (probe: string): string => probe.slice(probe.lastIndexOf(':') + 1);
