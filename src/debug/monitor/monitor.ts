import { currentTask } from '../../linux/tasks.ts';
import type { MachineView } from '../../machine/view/machine-view.ts';
import { readVirtual } from '../../machine/view/virtual-memory.ts';
import type { Breakpoint } from '../../timeline/breakpoints.ts';
import type { GuestInfo } from '../guest-info.ts';
import type { Opening } from '../opening.ts';
import { Process } from '../process.ts';
import { DebugError, type DebugTarget } from '../target.ts';
import { COMMANDS } from './commands.ts';

/** What one client has chosen. It ends with the client. */
export class ClientSettings {
  /** A process whose user-space addresses are shown although it may not be current. */
  process: number | undefined;
  /** The only process whose breakpoints and watchpoints stop. */
  only: number | undefined;
  /** Whether steps go over interrupt handlers. */
  overInterrupts = true;
  /** The process that is debugged instead of the whole machine. */
  attached: Process | undefined;
  /** Whether a fork of the process that is attached to is followed into the child. */
  followChild = false;

  /** From here on one process is debugged. @throws DebugError when there is no such process */
  async attach(target: DebugTarget, guestInfo: GuestInfo, pid: number): Promise<Process> {
    this.attached = await Process.open(target, guestInfo, pid, () => this.followChild);
    return this.attached;
  }
}

/** What a command is asked from. */
export interface MonitorContext {
  readonly settings: ClientSettings;
  /** The hart the user looks at. */
  readonly hart: number;
  readonly signal?: AbortSignal;
  /** Gets or sets whether addresses are physical; absent where the client has no such view. */
  readonly physical?: (on?: boolean) => boolean;
}

/** A command's surroundings. */
export interface CommandScene extends MonitorContext {
  readonly target: DebugTarget;
  readonly guestInfo: GuestInfo;
  readonly monitor: Monitor;
}

/** A command of `monitor` and of the DAP console. */
export interface MonitorCommand {
  readonly name: string;
  /** Its arguments, for help. */
  readonly usage?: string;
  readonly help: string;
  /** @returns text for people, lines ended by \n */
  readonly run: (scene: CommandScene, args: readonly string[]) => string | Promise<string>;
}

/** The commands that gdb cannot express, shared by every front end. */
export class Monitor {
  readonly target: DebugTarget;
  readonly guestInfo: GuestInfo;
  /** Puts a branch where the user who started the server wants it: clients do not choose files. @returns what to tell */
  store: ((recording: Uint8Array) => Promise<string>) | undefined;

  /** Reads a file of the computer that the server runs on, for its symbols. @throws RangeError when it cannot be read */
  readFile: ((path: string) => Promise<Uint8Array>) | undefined;

  /** What is done first, while clients connect already. */
  opening: Opening | undefined;

  private busy: Promise<unknown> = Promise.resolve();

  constructor(target: DebugTarget, guestInfo: GuestInfo) {
    this.target = target;
    this.guestInfo = guestInfo;
  }

  /** Does something with the target when no other client does: gdb and a DAP client may be there together. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.busy.then(work);
    this.busy = done.catch(() => undefined);
    return done;
  }

  /** Runs one command line. Mistakes and refusals are part of the text. */
  async run(line: string, context: MonitorContext): Promise<string> {
    const words = line
      .trim()
      .split(/\s+/)
      .filter((w) => w !== '');
    if (words.length === 0) words.push('help');
    const two = words.length > 1 ? COMMANDS.find((c) => c.name === `${words[0]} ${words[1]}`) : undefined;
    const command = two ?? COMMANDS.find((c) => c.name === words[0]);
    if (!command) return `no command "${words[0]}"; monitor help lists them\n`;
    try {
      return await command.run(
        { ...context, target: this.target, guestInfo: this.guestInfo, monitor: this },
        words.slice(command.name.split(' ').length),
      );
    } catch (e) {
      if (e instanceof DebugError || e instanceof RangeError) return `${e.message}\n`;
      throw e;
    }
  }

  /** Points as they are to be set: held to one process if the client asked for that. */
  restricted(points: readonly Breakpoint[], { only }: ClientSettings): readonly Breakpoint[] {
    const kernel = only === undefined ? undefined : this.guestInfo.kernel();
    if (!kernel) return points;
    const tgid = kernel.field('task_struct', 'tgid');
    // Tasks lie in the kernel's linear mapping, which never changes: looked up once each.
    const physical = new Map<bigint, bigint>();
    const runs = (view: MachineView, hart: number): boolean => {
      const task = currentTask(view, hart);
      if (task >> 63n === 0n) return false;
      let at = physical.get(task);
      if (at === undefined) {
        at = kernel.resolve(task + BigInt(tgid.offset));
        if (at === undefined) return false;
        physical.set(task, at);
      }
      const bytes = view.readPhysical(at, 4);
      return new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true) === only;
    };
    return points.map((point) => ({
      ...point,
      when: (view, hart) => runs(view, hart) && (point.when === undefined || point.when(view, hart)),
    }));
  }

  /** Whether a line begins with a command's name. */
  knows(line: string): boolean {
    const words = line.split(/\s+/);
    return COMMANDS.some((c) => c.name === words[0] || c.name === `${words[0]} ${words[1] ?? ''}`);
  }

  /** Reads virtual memory as the hart sees it, or where it sees nothing, as the chosen process does. */
  readVirtual(hart: number, address: bigint, length: number, { process }: ClientSettings): Uint8Array {
    if (process !== undefined && address >> 63n === 0n) {
      const bytes = this.guestInfo.readProcess(process, address, length);
      if (bytes !== undefined) return bytes;
    }
    return readVirtual(this.target, hart, address, length);
  }

  /** What runs on a hart, for thread lists; empty when unknown. */
  hartNote(hart: number): string {
    return this.guestInfo.hartNote(hart);
  }
}
