import { SESSION_PORT } from '../guest/init-script.ts';
import { PanicWatch } from '../guest/panic-watch.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import { Machine, type RunOptions } from '../machine/session/machine.ts';
import type { Instant } from '../record/door.ts';
import type { LivePast } from '../timeline/live.ts';
import type { Destination } from '../timeline/mover.ts';
import type { GuestTime } from '../timeline/timeline.ts';
import type { GuestCommand } from './command.ts';
import { SessionEndedError } from './errors.ts';
import type { GuestFiles } from './files.ts';
import {
  type CommandOptions,
  type ExecOptions,
  type ExecResult,
  GuestSession,
  type SandboxMachine,
} from './guest-session.ts';

/** How long nothing may follow a panic's last line before it is believed, in milliseconds. */
const PANIC_SILENCE = 300;

/** What a sandbox is made of. */
export interface SandboxParts {
  /** Built with a virtio console that has the port {@link SESSION_PORT}, and not running. */
  readonly machine: Machine;
  readonly options: RunOptions;
  readonly room: HostRoom;
  /** Checkpoints of the machine, for {@link Sandbox.rewind}. */
  readonly past?: LivePast;
}

/**
 * A machine that runs by itself, to give commands to: programs and files of its guest, copies of the machine, and the way back. Close it when it is
 * no longer needed.
 */
export class Sandbox {
  /** The machine itself, which the sandbox runs. */
  readonly machine: Machine;
  private readonly parts: SandboxParts;
  private session: GuestSession | undefined;
  private running: Promise<unknown> | undefined;
  /** The guest restarted, and its agent has not answered yet. */
  private restarting: Promise<void> | undefined;
  private readonly endings = new Set<(reason: Error) => void>();
  private closed = false;

  private constructor(parts: SandboxParts) {
    this.parts = parts;
    this.machine = parts.machine;
    this.watchForPanic();
    this.machine.on('reset', () => {
      if (this.closed) return;
      this.detach(new SessionEndedError('the guest restarted'));
      // What was sent to the agent that is gone.
      this.machine.discard(SESSION_PORT);
      this.restarting = this.attachSession(true).catch(() => undefined);
    });
  }

  /**
   * Runs a machine and attaches to its guest; resolves when commands can be given.
   * @param fresh the machine goes on from a state that others may go on from too: its guest is given new randomness and the right time first
   * @param timeout milliseconds that the guest may take to answer
   * @throws SessionEndedError when the guest ends before, or does not answer in time
   */
  static async attach(parts: SandboxParts, { fresh = false, timeout = 120_000 } = {}): Promise<Sandbox> {
    const sandbox = new Sandbox(parts);
    try {
      await sandbox.connect(fresh, timeout);
    } catch (error) {
      await sandbox.close();
      throw error;
    }
    return sandbox;
  }

  /** Files of the guest. */
  get files(): GuestFiles {
    return this.attached.files;
  }

  /**
   * Runs a command to its end; several may run at once.
   * @param command a text for `/bin/sh -c`, or a program and its arguments
   * @throws GuestError when it cannot begin, CommandTimeoutError, SessionEndedError, what the signal was aborted with
   */
  async exec(command: string | readonly string[], options?: ExecOptions): Promise<ExecResult> {
    await this.restarting;
    return this.attached.exec(command, options);
  }

  /** Starts a command, for one that is talked to while it runs. */
  spawn(command: string | readonly string[], options?: CommandOptions): GuestCommand {
    return this.attached.spawn(command, options);
  }

  /** Names the guest. */
  setHostname(name: string): Promise<void> {
    return this.attached.setHostname(name);
  }

  /**
   * Another machine that goes on from where this one is, with new randomness. Its commands are its own: what runs now goes on in both, but the copy's
   * output of it goes nowhere. This machine goes on too.
   */
  async fork(options: RunOptions = {}): Promise<Sandbox> {
    const { machine, room } = this.parts;
    const runOptions = { ...this.parts.options, ...options };
    const copy = await this.stopped(() => {
      const { recording, internals } = machine;
      internals.mustRemember();
      const { id, start } = recording.header;
      const origin = {
        engine: internals.engine,
        past: recording.events,
        parent: { id, at: machine.instant },
        ...(start && { start }),
      };
      return new Machine({ hardware: { ...internals.hardware, images: [] }, options: runOptions, room, origin });
    });
    return Sandbox.attach({ machine: copy, options: runOptions, room }, { fresh: true });
  }

  /**
   * The machine as it is, as a snapshot to start others from: `Machine.start({ from })`. What runs now goes on in each of them, and its output goes
   * nowhere. @throws StateError when a disk of the machine's is kept in an overlay
   */
  snapshot(): Promise<Uint8Array> {
    return this.stopped(() => this.machine.save());
  }

  /** Keeps the state of now, so that {@link rewind} comes back to it at once. @throws RangeError when the sandbox was started without a past */
  async mark(): Promise<Instant> {
    const past = this.mustHavePast();
    return this.stopped(() => {
      past.capture();
      return this.machine.instant;
    });
  }

  /**
   * Goes back to an instant of the machine's past and goes on from there: what came after has not happened. Commands that are under way
   * reject with SessionEndedError. @throws RangeError when the sandbox was started without a past
   */
  async rewind(to: Destination | GuestTime): Promise<void> {
    const past = this.mustHavePast();
    this.detach(new SessionEndedError('the machine was rewound'));
    await this.machine.pause();
    await this.running;
    past.goBack();
    await past.timeline.seek(to);
    past.resume();
    await this.connect(true);
  }

  /** Ends the machine. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.detach(new SessionEndedError('the sandbox was closed'));
    await this.machine.close();
    await this.running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private get attached(): GuestSession {
    if (this.session === undefined) throw new SessionEndedError('the machine has ended');
    return this.session;
  }

  private mustHavePast(): LivePast {
    const { past } = this.parts;
    if (past === undefined) throw new RangeError('this sandbox keeps no past: start it with past: true');
    return past;
  }

  private connect(fresh: boolean, timeout?: number): Promise<void> {
    this.run();
    return this.attachSession(fresh, timeout);
  }

  private async attachSession(fresh: boolean, timeout = 120_000): Promise<void> {
    const { room } = this.parts;
    const cancel = room.after(timeout, () =>
      this.end(new SessionEndedError(`the guest did not answer within ${timeout} ms`)),
    );
    try {
      this.session = await GuestSession.attach(this.guestPort(), fresh);
    } finally {
      cancel();
    }
  }

  private guestPort(): SandboxMachine {
    const { machine, room } = this.parts;
    return {
      // What the guest has no room for waits; the channel's own flow control bounds it.
      send: (bytes) => void machine.send(SESSION_PORT, bytes).catch((error: Error) => this.end(error)),
      onReceive: (listener) =>
        machine.on('output', ({ port, bytes }) => {
          if (port === SESSION_PORT) listener(bytes);
        }),
      onEnd: (listener) => {
        this.endings.add(listener);
        return () => void this.endings.delete(listener);
      },
      entropy: (length) => room.entropy(length),
      clock: () => room.wallClock(),
      after: (milliseconds, act) => room.after(milliseconds, act),
    };
  }

  /** Keeps the machine running until its guest ends or it is stopped. */
  private run(): void {
    const run = this.machine.run({ whenIdle: 'wait' }).then(
      ({ reason, halt }) => {
        if (reason === 'halt')
          this.end(new SessionEndedError(halt?.kind === 'fail' ? 'the guest failed' : 'the guest powered off'));
      },
      (error: Error) => this.end(error),
    );
    this.running = run;
  }

  /** Does something while the machine is not running. */
  private async stopped<T>(act: () => T | Promise<T>): Promise<T> {
    if (this.closed) throw new SessionEndedError('the sandbox was closed');
    await this.machine.pause();
    await this.running;
    try {
      return await act();
    } finally {
      if (this.machine.halt === undefined && !this.closed) this.run();
    }
  }

  /** A guest whose kernel panicked executes nothing more and answers nothing. */
  private watchForPanic(): void {
    const { machine, room } = this.parts;
    const panic = new PanicWatch();
    let cancel: (() => void) | undefined;
    machine.on('console', (bytes) => {
      panic.push(bytes);
      cancel?.();
      const { suspected } = panic;
      if (suspected === undefined) return;
      cancel = room.after(PANIC_SILENCE, () =>
        this.end(new SessionEndedError(`the guest's kernel panicked: ${suspected}`)),
      );
    });
  }

  private detach(reason: Error): void {
    this.end(reason);
    this.session?.close();
    this.session = undefined;
  }

  private end(reason: Error): void {
    for (const listener of [...this.endings]) listener(reason);
  }
}
