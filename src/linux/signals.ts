import type { LinuxKernel } from './kernel.ts';
import type { Task } from './tasks.ts';

/** What a process does at a signal. */
export interface SignalHandler {
  readonly number: number;
  /** Address of the function; `ignored` without one. */
  readonly handler: bigint | 'ignored';
  /** Bits of sa_flags. */
  readonly flags: bigint;
}

/** Signals of a thread, sets as bits: signal n is bit n − 1. */
export interface SignalState {
  /** Sent to this thread, and to its process, and not delivered yet. */
  readonly pending: bigint;
  readonly sharedPending: bigint;
  readonly blocked: bigint;
  /** Those that are not left to what the kernel does by itself. */
  readonly handlers: readonly SignalHandler[];
}

const COUNT = 64;
const [SIG_DFL, SIG_IGN] = [0n, 1n];

/** Reads what signals of a thread are pending, blocked and handled. */
export function signalState(kernel: LinuxKernel, { address }: Task): SignalState {
  const get = (path: string): bigint => kernel.get('task_struct', address, path);
  const set = (struct: string, at: bigint, path: string): bigint => kernel.pointer(kernel.at(struct, at, path));
  const shared = get('signal');
  const sighand = get('sighand');
  const handlers: SignalHandler[] = [];
  const size = BigInt(kernel.btf.sizeOf(kernel.btf.struct('k_sigaction')));
  for (let number = 1; sighand !== 0n && number <= COUNT; number++) {
    const action = kernel.at('sighand_struct', sighand, 'action') + BigInt(number - 1) * size;
    const handler = kernel.get('k_sigaction', action, 'sa.sa_handler');
    if (handler === SIG_DFL) continue;
    const flags = kernel.get('k_sigaction', action, 'sa.sa_flags');
    handlers.push({ number, flags, handler: handler === SIG_IGN ? 'ignored' : handler });
  }
  return {
    pending: set('task_struct', address, 'pending.signal'),
    sharedPending: shared === 0n ? 0n : set('signal_struct', shared, 'shared_pending.signal'),
    blocked: set('task_struct', address, 'blocked'),
    handlers,
  };
}

/** The numbers of a set's signals. */
export const signalNumbers = (set: bigint): number[] =>
  Array.from({ length: COUNT }, (_, i) => i + 1).filter((number) => ((set >> BigInt(number - 1)) & 1n) !== 0n);
