import type { Exit } from '../../isa/layout.ts';
import type { Boundary } from './boundary.ts';
import type { DecodedPages } from './decoded.ts';
import type { Memory } from './memory.ts';
import type { Operation } from './operations.ts';
import type { SoftFloat } from './softfloat/index.ts';
import type { State } from './state.ts';

/** What the generated run loop (src/generated/ts-core.ts) is made from. */
export interface LoopParts {
  readonly state: State;
  readonly memory: Memory;
  readonly boundary: Boundary;
  readonly decoded: DecodedPages;
  /** Words of the TLB. */
  readonly tlb: Int32Array;
  readonly named: Readonly<Record<string, Operation>>;
  readonly softfloat: SoftFloat;
}

/** Executes the hart that was entered until there is a reason to come back. */
export type Loop = () => Exit;
