import type { Core } from '../../core/core.ts';
import { createTsCore } from '../../core/ts/core.ts';
import { createWasmCore } from '../../core/wasm/core.ts';
import { createJitCore, type JitCore, type JitOptions, type JitStatistics, jitAllowed } from '../../jit/core.ts';
import type { CoreFactory } from './engine.ts';

/** The engines a machine can run on. They differ in speed only (contract 1). */
export const CORES = ['jit', 'wasm', 'ts'] as const;
export type CoreKind = (typeof CORES)[number];

/**
 * How to make a core of that kind. Where the runtime compiles nothing at run time, `jit` is `wasm`: the core's own `kind` tells.
 * @param translator for `jit`
 */
export function coreFactory(kind: CoreKind, translator?: JitOptions): CoreFactory {
  if (kind === 'ts') return createTsCore;
  if (kind === 'wasm' || !jitAllowed(translator)) return createWasmCore;
  return (memory, host) => createJitCore(memory, host, translator);
}

/** What the translator did, when `core` has one. */
export const translatorStatistics = (core: Core): JitStatistics | undefined =>
  core.kind === 'jit' ? (core as JitCore).statistics() : undefined;
