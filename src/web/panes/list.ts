import { disassemblyPane } from './disassembly.ts';
import type { PaneKind } from './pane.ts';
import { registersPane } from './registers.ts';

/** All panes, in the order in which they are offered. */
export const PANES: readonly PaneKind[] = [registersPane, disassemblyPane];
