import type { GuestInfo } from '../../../debug/guest-info.ts';
import type { EngineView } from '../../../machine/view/engine-view.ts';
import type { Timeline } from '../../../timeline/timeline.ts';

/** The machine as questions see it, between two instructions. */
export interface LookedAt {
  readonly view: EngineView;
  /** Symbols, call stacks, processes. */
  readonly info: GuestInfo;
  readonly timeline: Timeline;
}
