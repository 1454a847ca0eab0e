import type { GuestInfo } from '../debug/guest-info.ts';
import { currentOn } from '../linux/tasks.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { Mover } from '../timeline/mover.ts';
import { ProgramSymbols } from './program-symbols.ts';

/** A call stack and how many instructions were executed in it, by one process. */
export interface ProfileStack {
  readonly pid: number;
  readonly comm: string;
  /** Functions, outermost first; the kernel's in brackets as `[k] name`. */
  readonly frames: readonly string[];
  /** Samples that found it. */
  readonly samples: number;
}

/** What is profiled. */
export interface ProfileOptions extends MoveOptions {
  /** Instructions between two looks, counted over all harts. */
  readonly every: number;
  readonly until?: number;
  readonly pid?: number;
}

/**
 * Replays from where the mover is and looks at the call stack every so many instructions: the same ones in every replay, and none of them
 * changed by the looking.
 * @returns the stacks, the most frequent first, and whether the signal ended it
 */
export async function profile(
  mover: Mover,
  guest: GuestInfo,
  options: ProfileOptions,
): Promise<{ readonly stacks: readonly ProfileStack[]; readonly interrupted: boolean }> {
  const { every, until = Infinity, pid, ...moving } = options;
  const kernel = guest.kernel();
  if (kernel === undefined) throw new RangeError('no Linux kernel with symbols and type information is in the machine');
  const found = new Map<string, { pid: number; comm: string; frames: readonly string[]; samples: number }>();
  const programs = new ProgramSymbols(guest, kernel);
  const name = (info: GuestInfo, pc: bigint, at: bigint): string => {
    const near = info.near(at);
    const text = near?.name ?? `0x${pc.toString(16)}`;
    return pc >> 63n === 1n ? `[k] ${text}` : text;
  };
  const look = async (): Promise<void> => {
    const task = currentOn(kernel, mover.view.activeHart());
    if (task === undefined || (pid !== undefined && task.tgid !== pid)) return;
    const info = await programs.read(task);
    const stack = info.taskBacktrace(task);
    const frames = [...stack.kernel, ...stack.user].map((frame) => name(info, frame.pc, frame.at)).reverse();
    const key = `${task.tgid} ${task.name}\n${frames.join('\n')}`;
    const entry = found.get(key);
    if (entry === undefined) found.set(key, { pid: task.tgid, comm: task.name, frames, samples: 1 });
    else entry.samples++;
  };
  let interrupted = false;
  for (;;) {
    const next = mover.at.instructions + every;
    const { reason } = await mover.scan([], { instructions: Math.min(next, until) }, () => true, moving);
    interrupted = reason === 'interrupted';
    if (interrupted || mover.at.instructions < next) break;
    await look();
  }
  return { stacks: [...found.values()].sort((a, b) => b.samples - a.samples), interrupted };
}

/** Stacks as flame graph tools read them: a line each, frames with semicolons between, and the instructions. */
export const foldedStacks = (stacks: readonly ProfileStack[], every: number): string =>
  stacks
    .map(({ comm, frames, samples }) => `${[comm, ...frames].map(withoutSeparators).join(';')} ${samples * every}\n`)
    .join('');

const withoutSeparators = (frame: string): string => frame.replace(/[;\n]/g, ':');

/** Stacks as a file for speedscope, a profile for each process (https://www.speedscope.app/file-format-schema.json). */
export function speedscopeFile(stacks: readonly ProfileStack[], every: number, title: string): object {
  const frames = new Map<string, number>();
  const indexOf = (frame: string): number => {
    const index = frames.get(frame) ?? frames.size;
    frames.set(frame, index);
    return index;
  };
  const processes = new Map<string, ProfileStack[]>();
  for (const stack of stacks) {
    const key = `${stack.comm} (${stack.pid})`;
    processes.set(key, [...(processes.get(key) ?? []), stack]);
  }
  const profiles = [...processes].map(([name, own]) => ({
    type: 'sampled',
    name: `${name}, instructions`,
    unit: 'none',
    startValue: 0,
    endValue: own.reduce((sum, { samples }) => sum + samples * every, 0),
    samples: own.map((stack) => stack.frames.map(indexOf)),
    weights: own.map(({ samples }) => samples * every),
  }));
  return {
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    name: title,
    exporter: 'hindsight',
    activeProfileIndex: 0,
    shared: { frames: [...frames.keys()].map((name) => ({ name })) },
    profiles,
  };
}
