import type { Machine } from '../machine/session/machine.ts';
import { UsageError } from './exit.ts';
import type { MachineFlags } from './machine-flags.ts';
import type { NetFlags } from './net-flags.ts';
import type { RecorderFlags } from './recorder-flags.ts';
import type { SessionEnd, SessionOptions } from './session.ts';

/** Flags of `hindsight run`. */
export interface RunFlags extends MachineFlags, RecorderFlags, NetFlags {
  readonly exec?: string;
  readonly from?: string;
  readonly name?: string;
  readonly hostname?: string;
  readonly snapshot?: string;
  readonly snapshotAt?: string;
  readonly share?: readonly string[];
  /** False by `--no-stdin`. */
  readonly stdin: boolean;
  readonly clock?: string;
  readonly timeout?: string;
  readonly probe?: string;
  readonly json?: boolean;
  readonly stats?: boolean;
  readonly dumpRegions?: string;
}

/** How a machine that is run can be left. */
export interface Leaving {
  /** It can be left as it is, to go on later. */
  readonly detachable?: boolean;
  /** Called with the words that say what its guest shall do, when its /init waits for them; after a restart it gets them again. */
  readonly begins?: (words: string) => Promise<void>;
  /** Called when its session is over, before it is closed. */
  readonly ended?: (machine: Machine, end: SessionEnd) => Promise<void>;
}

/** Where and when the machine is to be saved. @throws UsageError */
export function snapshotAt({
  snapshot,
  snapshotAt: text,
}: Pick<RunFlags, 'snapshot' | 'snapshotAt'>): SessionOptions['snapshot'] {
  if (snapshot === undefined && text === undefined) return undefined;
  if (snapshot === undefined)
    throw new UsageError('--snapshot-at says when; say where to with --snapshot NAME, or a file that ends in .hss');
  if (text === undefined || text === '')
    throw new UsageError(
      "--snapshot says where to; say with --snapshot-at TEXT after what text on the console, such as '# '. Ctrl-A k saves at any time",
    );
  return { after: text, target: snapshot };
}
