import { findTask, type Task } from '../../linux/tasks.ts';
import { type Inferior, type InferiorStop, WholeMachine } from '../inferior.ts';
import { ClientSettings, type Monitor } from '../monitor/monitor.ts';
import type { DebugTarget } from '../target.ts';

/** What a session is given. */
export interface GdbSessionOptions {
  /** Answers `monitor` commands. */
  readonly monitor: Monitor;
  /** Sends bytes to gdb. */
  readonly send: (bytes: Uint8Array) => void;
  /** gdb detached, killed the target or broke the protocol: the transport is to be closed. */
  readonly close: () => void;
  /** A write to the past makes a branch instead of being refused. */
  readonly autoBranch?: boolean;
  /** The client's choices, among them the process to begin with instead of the whole machine. */
  readonly settings?: ClientSettings;
}

/** gdb as the stub knows it: what it debugs, and the threads that its packets are about. */
export class GdbClient {
  readonly target: DebugTarget;
  readonly options: GdbSessionOptions;
  readonly settings: ClientSettings;
  /** Threads that `g`, `m` and the like, and `s` and `c` are about. */
  general: number;
  control: number;
  /** Memory is by physical address. */
  physical = false;
  lastStop: InferiorStop;
  /** Ends the move or command under way. */
  running: AbortController | undefined;
  private readonly machine: WholeMachine;

  constructor(target: DebugTarget, options: GdbSessionOptions) {
    this.target = target;
    this.options = options;
    this.settings = options.settings ?? new ClientSettings();
    this.machine = new WholeMachine(target, options.monitor, this.settings);
    this.general = this.inferior.activeThread();
    this.control = this.general;
    this.lastStop = { reason: 'there', thread: this.general };
  }

  get inferior(): Inferior {
    return this.settings.attached ?? this.machine;
  }

  isThread(id: number): boolean {
    return this.inferior.threads().some((t) => t.id === id);
  }

  /** Has its packets be about the thread that is to execute next. */
  select(thread = this.inferior.activeThread()): void {
    this.general = thread;
    this.control = thread;
  }

  /** A write is about to be made. */
  async writable(): Promise<void> {
    if (this.target.readOnly && this.options.autoBranch) await this.target.branch();
  }

  /** What gdb sees the guest's files as: the process, else the one that runs, else the first. */
  task(): Task | undefined {
    const { attached } = this.settings;
    if (attached !== undefined) return attached.tasks()[0];
    const { guestInfo } = this.options.monitor;
    const kernel = guestInfo.kernel();
    if (kernel === undefined) return undefined;
    const running = guestInfo.current(this.inferior.hartOf(this.general));
    return running !== undefined && running.mm !== 0n ? running : findTask(kernel, 1);
  }
}
