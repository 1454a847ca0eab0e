import type { Btf } from '../linux/btf.ts';
import type { ScriptType, Value } from './values.ts';

/** What scripts can ask of the machine where a probe was met. */
export interface ProbeContext {
  readonly hart: number;
  /** The probe as written, all patterns filled in: `kprobe:vfs_read`. */
  readonly probe: string;
  /** Guest time in nanoseconds since power-on. */
  readonly time: bigint;
  /** Instructions over all harts. */
  readonly instructions: number;
  /** Register x0–x31. */
  x(number: number): bigint;
  /** Address of the running task's task_struct; 0 while the kernel has not set one up. */
  readonly task: bigint;
  /** Its process, its thread and its name: 0, 0 and nothing where there is none. */
  readonly tgid: number;
  readonly pid: number;
  readonly comm: string;
  /** An unsigned little-endian value in the memory that the hart sees; 0 where nothing is mapped. */
  number(address: bigint, size: number): bigint;
  /** Bytes of that memory; shorter where nothing more is mapped. */
  bytes(address: bigint, length: number): Uint8Array;
  /** Return addresses from the innermost frame outwards, of the kernel or of the program. */
  stack(user: boolean, limit: number): string;
  /** The symbol around an address, as text. */
  symbol(address: bigint, user: boolean): string;
  /** A value that the probe itself brings: an argument of a system call, a line of the console. */
  argument(name: string): Value;
}

/** Names that a probe brings besides registers: those after `args.`. */
export type ProbeArguments = ReadonlyMap<string, ScriptType>;

/** What a script is compiled against. */
export interface ScriptEnvironment {
  /** The kernel's types; undefined when it has none. */
  readonly btf: Btf | undefined;
  /** Address of a kernel symbol. */
  kernelAddress(name: string): bigint | undefined;
  /** Address of a symbol of the kernel, for near matches. */
  readonly mapLimit: number;
  /** Most bytes of a string. */
  readonly stringLimit: number;
}
