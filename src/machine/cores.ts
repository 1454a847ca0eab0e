import { createJitCore } from '../jit/core.ts';
import { createTsCore } from '../core/ts/core.ts';
import { createWasmCore } from '../core/wasm/core.ts';
import type { CoreFactory } from './engine.ts';

/** The engines a machine can run on. They differ in speed only (contract 1). */
export const CORES = ['jit', 'wasm', 'ts'] as const;
export type CoreKind = (typeof CORES)[number];

const FACTORIES: Record<CoreKind, CoreFactory> = {
  ts: createTsCore,
  wasm: createWasmCore,
  jit: createJitCore,
};

/** How to make a core of that kind. */
export const coreFactory = (kind: CoreKind): CoreFactory => FACTORIES[kind];
