import { proxy, type Remote } from 'comlink';
import type { Instant } from '../../record/door.ts';
import type { GuestFiles } from '../../sandbox/files.ts';
import type { ExecOptions, ExecResult } from '../../sandbox/guest-session.ts';
import type { Destination } from '../../timeline/mover.ts';
import type { GuestTime } from '../../timeline/timeline.ts';
import type { FilesMethod, SandboxService, WorkerSandboxOptions } from './service.ts';
import { serviceOf } from './worker-service.ts';

/** How a command of a sandbox in a worker is run; its standard input is given whole. */
export interface WorkerExecOptions extends Omit<ExecOptions, 'stdin'> {
  readonly stdin?: string | Uint8Array;
}

/** Files of the guest: the library's `GuestFiles`, contents given whole. */
export type WorkerFiles = Pick<GuestFiles, FilesMethod | 'readText'>;

/** Commands are told apart by numbers. */
let commands = 0;

/** A machine in a worker to give commands to: what the library's `Sandbox` offers, but for `spawn`. Errors keep their `name`. */
export class WorkerSandbox {
  /** Files of the guest. */
  readonly files: WorkerFiles;
  private readonly service: Remote<SandboxService>;

  /** Use {@link start}. */
  constructor(service: Remote<SandboxService>) {
    this.service = service;
    const call =
      (method: FilesMethod) =>
      (...args: unknown[]): Promise<never> =>
        service.files(method, ...args) as Promise<never>;
    const read: GuestFiles['read'] = call('read');
    this.files = {
      read,
      readText: async (path) => new TextDecoder().decode(await read(path)),
      write: call('write'),
      list: call('list'),
      stat: call('stat'),
      mkdir: call('mkdir'),
      remove: call('remove'),
      rename: call('rename'),
      symlink: call('symlink'),
      pack: call('pack'),
      unpack: call('unpack'),
    };
  }

  /**
   * Starts a machine in a worker and attaches to its guest; resolves when commands can be given. It boots, or goes on from a snapshot that
   * {@link snapshot} or the library's gave.
   * @param worker as for `WorkerMachine.create` @throws ConfigError, SessionEndedError
   */
  static async start(worker: Worker, options: WorkerSandboxOptions): Promise<WorkerSandbox> {
    return new WorkerSandbox((await serviceOf(worker).startSandbox(options)) as never);
  }

  /**
   * Runs a command to its end; several may run at once.
   * @param command a text for `/bin/sh -c`, or a program and its arguments
   * @throws what the library's `Sandbox.exec` does; AbortError when the signal said so
   */
  async exec(
    command: string | readonly string[],
    { signal, onStdout, onStderr, ...options }: WorkerExecOptions = {},
  ): Promise<ExecResult> {
    signal?.throwIfAborted();
    const id = ++commands;
    const heard =
      onStdout === undefined && onStderr === undefined
        ? undefined
        : proxy((stream: 'stdout' | 'stderr', bytes: Uint8Array) =>
            (stream === 'stdout' ? onStdout : onStderr)?.(bytes),
          );
    const abort = (): void => void this.service.kill(id);
    signal?.addEventListener('abort', abort);
    try {
      return await this.service.exec(id, command, options, heard);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** See the library's `Sandbox.mark`. */
  mark(): Promise<Instant> {
    return this.service.mark();
  }

  /** See the library's `Sandbox.rewind`. */
  rewind(to: Destination | GuestTime): Promise<void> {
    return this.service.rewind(to);
  }

  /** Another machine that goes on from where this one is, in the same worker. */
  async fork(): Promise<WorkerSandbox> {
    return new WorkerSandbox((await this.service.fork()) as never);
  }

  /** The machine as it is, to start others from. */
  snapshot(): Promise<Uint8Array> {
    return this.service.snapshot();
  }

  /** Hash of the state here. */
  hash(): Promise<string> {
    return this.service.hash();
  }

  /** Ends the machine. */
  close(): Promise<void> {
    return this.service.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
