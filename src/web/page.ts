/** Defines `<hindsight-machine>`; the page's script, and the package's entry `hindsight-vm/element`. */
import { HindsightMachine } from './element/hindsight-machine.ts';

if (customElements.get('hindsight-machine') === undefined) customElements.define('hindsight-machine', HindsightMachine);

export { type Mark, type PageAddress, readAddress, writeAddress } from './focus/address-bar.ts';
export { type Focus, instantText, parseInstantText } from './focus/focus.ts';
export { ConsoleHistory } from './terminal/history.ts';
export { PastTerminal } from './terminal/past-terminal.ts';
export { type Axis, LaneData } from './timeline/lane-data.ts';
export { type TimelineListener, TimelineView } from './timeline/timeline-view.ts';
export type { MachineState } from './worker/protocol.ts';
export { HindsightMachine };
