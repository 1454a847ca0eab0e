import { concat } from '../bytes/concat.ts';
import { SessionChannel } from './channel.ts';
import { type CommandExit, GuestCommand } from './command.ts';
import { CommandTimeoutError, SessionEndedError } from './errors.ts';
import { feed, GuestFiles } from './files.ts';
import { NONCE_LENGTH, OPERATION } from './frames.ts';

/** How a command is started. */
export interface CommandOptions {
  /** Working directory; `/root` if not said. */
  readonly cwd?: string;
  /** Variables besides PATH, HOME, USER, SHELL and LANG, or in their place. */
  readonly env?: Readonly<Record<string, string>>;
  /** Gives it a terminal of this size; both outputs are then one. */
  readonly terminal?: { readonly columns: number; readonly rows: number };
}

/** How a command is run to its end. */
export interface ExecOptions extends CommandOptions {
  /** Its standard input; empty if not said. */
  readonly stdin?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Milliseconds on the wall after which it is killed with its process group. */
  readonly timeout?: number;
  /** Kills it with its process group. */
  readonly signal?: AbortSignal;
  /** Bytes of each output that are kept; it is killed when it prints more. Default 64 MiB. */
  readonly maxOutput?: number;
  /** What it prints, as it comes. */
  readonly onStdout?: (bytes: Uint8Array) => void;
  readonly onStderr?: (bytes: Uint8Array) => void;
}

/** What became of a command. */
export interface ExecResult extends CommandExit {
  /** As UTF-8. */
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderrBytes: Uint8Array;
}

/** A running machine, as far as a sandbox needs it. */
export interface SandboxMachine {
  /** Hands bytes to the session port; what the guest has no room for waits. */
  send(bytes: Uint8Array): void;
  /** What the guest sends on the session port. @returns what ends it */
  onReceive(listener: (bytes: Uint8Array) => void): () => void;
  /** Called when the machine has ended. */
  onEnd(listener: (reason: Error) => void): () => void;
  entropy(length: number): Uint8Array;
  /** Nanoseconds since 1970. */
  clock(): bigint;
  /** Calls back after so many milliseconds. @returns what cancels it */
  after(milliseconds: number, act: () => void): () => void;
}

const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  USER: 'root',
  LOGNAME: 'root',
  SHELL: '/bin/sh',
  LANG: 'C.UTF-8',
};
const MOST_OUTPUT = 64 * 2 ** 20;
/** Bytes of randomness that a guest's pool is given when a machine goes on from a state that others may go on from too. */
const FRESH_ENTROPY = 256;

/** Commands and files of a guest, over the machine's session channel. */
export class GuestSession {
  readonly files: GuestFiles;
  private readonly machine: SandboxMachine;
  private readonly channel: SessionChannel;
  private readonly undo: (() => void)[];

  private constructor(machine: SandboxMachine) {
    this.machine = machine;
    this.channel = new SessionChannel((frame) => machine.send(frame));
    this.undo = [
      machine.onReceive((bytes) => this.channel.receive(bytes)),
      machine.onEnd((reason) => this.channel.end(reason)),
    ];
    this.files = new GuestFiles({
      operate: (what, operation, words) =>
        new GuestCommand((listener) =>
          this.channel.start(what, operation, words, { folder: '/', environment: [] }, listener),
        ),
      spawn: (words) => this.spawn(words),
    });
  }

  /**
   * Attaches to the guest's agent.
   * @param fresh give the guest new randomness and the right time first: it may have a twin
   */
  static async attach(machine: SandboxMachine, fresh: boolean): Promise<GuestSession> {
    const session = new GuestSession(machine);
    await session.channel.attach(machine.entropy(NONCE_LENGTH));
    if (fresh) await session.refresh();
    return session;
  }

  /** Gives the guest's kernel new randomness and the wall clock's time. */
  async refresh(): Promise<void> {
    const { channel, machine } = this;
    await Promise.all([channel.addEntropy(machine.entropy(FRESH_ENTROPY)), channel.setClock(machine.clock())]);
  }

  /** Names the guest. */
  setHostname(name: string): Promise<void> {
    return this.channel.setHostname(name);
  }

  /**
   * Starts a command.
   * @param command a text for `/bin/sh -c`, or a program and its arguments
   */
  spawn(command: string | readonly string[], options: CommandOptions = {}): GuestCommand {
    const words = typeof command === 'string' ? ['/bin/sh', '-c', command] : command;
    if (words.length === 0) throw new RangeError('an empty command: expected a program and its arguments');
    const { cwd = '/root', env, terminal } = options;
    const variables = { ...ENVIRONMENT, ...(terminal !== undefined && { TERM: 'xterm-256color' }), ...env };
    const environment = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const how = { folder: cwd, environment, ...(terminal !== undefined && { terminal }) };
    return new GuestCommand((listener) => this.channel.start(words.join(' '), OPERATION.EXEC, words, how, listener));
  }

  /**
   * Runs a command to its end.
   * @throws GuestError when it cannot begin, CommandTimeoutError, SessionEndedError, what the signal was aborted with
   */
  async exec(command: string | readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const { signal, timeout, maxOutput = MOST_OUTPUT } = options;
    signal?.throwIfAborted();
    const running = this.spawn(command, options);
    let failure: (() => unknown) | undefined;
    const kill = (why: () => unknown): void => {
      failure ??= why;
      running.kill('SIGKILL');
    };
    const abort = (): void => kill(() => signal?.reason);
    signal?.addEventListener('abort', abort);
    const text = typeof command === 'string' ? command : command.join(' ');
    const kept: [Uint8Array[], Uint8Array[]] = [[], []];
    const textOf = (stream: 0 | 1): string => new TextDecoder().decode(concat(kept[stream]));
    const cancel =
      timeout === undefined
        ? undefined
        : this.machine.after(timeout, () => kill(() => new CommandTimeoutError(text, timeout, textOf(0), textOf(1))));
    const keep = async (
      stream: 0 | 1,
      output: AsyncIterable<Uint8Array>,
      listener?: (bytes: Uint8Array) => void,
    ): Promise<void> => {
      let size = 0;
      for await (const chunk of output) {
        listener?.(chunk);
        size += chunk.length;
        if (size > maxOutput)
          kill(
            () =>
              new RangeError(
                `${text}: printed more than ${maxOutput} bytes; raise maxOutput, or read the output of spawn()`,
              ),
          );
        else kept[stream].push(chunk);
      }
    };
    try {
      const [exit] = await Promise.all([
        running.exit,
        keep(0, running.stdout, options.onStdout),
        keep(1, running.stderr, options.onStderr),
        feed(running, options.stdin ?? ''),
      ]);
      if (failure !== undefined) throw failure();
      const [stdoutBytes, stderrBytes] = [concat(kept[0]), concat(kept[1])];
      const utf8 = new TextDecoder();
      return { ...exit, stdoutBytes, stderrBytes, stdout: utf8.decode(stdoutBytes), stderr: utf8.decode(stderrBytes) };
    } catch (error) {
      // Whatever failed on this side, the command does not outlive it.
      running.kill('SIGKILL');
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
      cancel?.();
    }
  }

  /** Ends the session; what runs in the guest goes on without it. */
  close(): void {
    for (const undo of this.undo.splice(0)) undo();
    this.channel.end(new SessionEndedError('the session was closed'));
  }
}
