import type { HistoryTable } from '../table.ts';
import { consoleLines } from './console.ts';
import { faults } from './faults.ts';
import { files } from './files.ts';
import { interrupts } from './interrupts.ts';
import { processes } from './processes.ts';
import { scheduling } from './scheduling.ts';
import { sockets } from './sockets.ts';
import { syscalls } from './syscalls.ts';

/** Every history, by the name it is asked for. */
export const TABLES: readonly HistoryTable[] = [
  processes,
  syscalls,
  files,
  sockets,
  faults,
  scheduling,
  interrupts,
  consoleLines,
];
