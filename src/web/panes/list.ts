import { breakpointsPane } from './breakpoints.ts';
import { callStackPane } from './call-stack.ts';
import { disassemblyPane } from './disassembly.ts';
import { kernelLogPane } from './kernel-log.ts';
import { memoryPane } from './memory.ts';
import { pageTablesPane } from './page-tables.ts';
import type { PaneKind } from './pane.ts';
import { processesPane } from './processes.ts';
import { registersPane } from './registers.ts';

/** All panes, in the order in which they are offered. */
export const PANES: readonly PaneKind[] = [
  registersPane,
  disassemblyPane,
  callStackPane,
  memoryPane,
  processesPane,
  kernelLogPane,
  breakpointsPane,
  pageTablesPane,
];
