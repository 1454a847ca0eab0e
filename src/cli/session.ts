import { constants } from 'node:os';
import { performance } from 'node:perf_hooks';
import { HostTerminal } from '../host/node/terminal.ts';
import type { ExecOutput } from '../guest/exec-stream.ts';
import type { Machine, RunResult } from '../machine/machine.ts';
import { ESCAPE_HELP, EscapeKeys, type EscapeAction } from './escape-keys.ts';
import { EXIT } from './exit.ts';
import { GuestInput } from './guest-input.ts';
import { PanicWatch } from './panic-watch.ts';
import { bootText, ProgressLine } from './progress.ts';
import { summaryLine } from './summary.ts';
import { TerminalModes } from './terminal-modes.ts';

/** How a session begins. */
export interface SessionOptions {
  /** Takes a command's own output out of the console; without it all of the console is shown. */
  readonly exec?: ExecOutput;
  /** `keys`: a raw terminal · `framed`: a stream for a command · `plain`: a stream for whatever reads the console · `none` */
  readonly input: 'keys' | 'framed' | 'plain' | 'none';
  /** Milliseconds after which the machine is switched off. */
  readonly timeout?: number;
  readonly quiet: boolean;
}

/** Why a session ended. */
export type EndReason = 'poweroff' | 'fail' | 'quit' | 'panic' | 'timeout' | 'interrupt';

/** How a session ended. */
export interface SessionEnd {
  readonly reason: EndReason;
  /** Exit status that follows. */
  readonly status: number;
  /** What to tell the user besides, if anything. */
  readonly message?: string;
  /** Milliseconds on the wall. */
  readonly wall: number;
  /** Milliseconds of them in which the process was not waiting. */
  readonly busy: number;
}

type Ending = Pick<SessionEnd, 'reason' | 'status' | 'message'>;

/** How long nothing may follow a panic's last line before it is believed, in milliseconds. */
const PANIC_SILENCE = 300;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const ENTER = 0x0d;
const NEWLINE = 0x0a;

/** One machine on standard input and output, from its first instruction to whatever ends it. */
export class Session {
  private readonly machine: Machine;
  private readonly options: SessionOptions;
  private readonly panic = new PanicWatch();
  private readonly modes = new TerminalModes();
  private readonly keys = new EscapeKeys();
  private readonly terminal = new HostTerminal(process.stdin, process.stdout, () => this.modes.undo());
  private readonly undo: (() => void)[] = [];
  private progress: ProgressLine | undefined;
  private input: GuestInput | undefined;
  private panicTimer: NodeJS.Timeout | undefined;
  private ending: Ending | undefined;
  private onEnter: (() => void) | undefined;
  private standing = false;
  private lastByte = NEWLINE;
  private start = 0;
  private startLoad = performance.eventLoopUtilization();

  constructor(machine: Machine, options: SessionOptions) {
    this.machine = machine;
    this.options = options;
  }

  /** Runs the machine until it ends, or is ended. */
  async run(): Promise<SessionEnd> {
    this.start = performance.now();
    this.startLoad = performance.eventLoopUtilization();
    this.open();
    try {
      for (;;) {
        const result = await this.machine.run();
        if (this.ending !== undefined) return this.ended(this.ending);
        if (result.reason === 'halt') return this.ended(this.afterHalt(result));
        await this.stand();
        if (this.ending !== undefined) return this.ended(this.ending);
      }
    } finally {
      this.close();
    }
  }

  /** Whether what was shown ended with a complete line. */
  get atLineStart(): boolean {
    return this.lastByte === NEWLINE;
  }

  private ended(ending: Ending): SessionEnd {
    return { ...ending, wall: performance.now() - this.start, busy: this.busy() };
  }

  private busy(): number {
    return performance.eventLoopUtilization(this.startLoad).active;
  }

  private open(): void {
    const { machine, options } = this;
    this.progress = new ProgressLine(!options.quiet, (milliseconds) => bootText(milliseconds, machine.instant.instructions));
    this.undo.push(() => this.progress?.end(), machine.on('console', (bytes) => this.show(bytes)));
    for (const [index, name] of SIGNALS.entries()) {
      const listener = (): void => {
        // The second time someone means it.
        if (this.ending !== undefined) process.exit(EXIT.INTERRUPT);
        this.end({ reason: 'interrupt', status: index === 0 ? EXIT.INTERRUPT : 128 + constants.signals[name] });
      };
      process.on(name, listener);
      this.undo.push(() => process.removeListener(name, listener));
    }
    if (options.timeout !== undefined) {
      const timer = setTimeout(() => this.end({ reason: 'timeout', status: EXIT.TIMEOUT, message: 'the time given by --timeout is over' }), options.timeout);
      this.undo.push(() => clearTimeout(timer));
    }
    this.undo.push(() => clearTimeout(this.panicTimer));
    if (options.input === 'keys') this.openTerminal();
    else if (options.input !== 'none') {
      this.input = new GuestInput(machine, process.stdin, options.input === 'framed');
      this.undo.push(() => this.input?.stop());
      // A command's input is framed for its terminal, which is set up when it begins.
      if (options.input === 'plain') this.input.start();
    }
  }

  private openTerminal(): void {
    const { terminal } = this;
    terminal.open();
    const typed = (chunk: Uint8Array): void => this.type(chunk);
    process.stdin.on('data', typed);
    this.undo.push(
      () => terminal.close(),
      () => void process.stdin.off('data', typed),
      terminal.onResize(({ columns, rows }) => this.machine.resize(columns, rows)),
    );
  }

  private close(): void {
    for (const undo of this.undo.splice(0)) undo();
  }

  private end(ending: Ending): void {
    this.ending ??= ending;
    this.onEnter?.();
    void this.machine.pause();
  }

  private afterHalt({ halt }: RunResult): Ending {
    const { exec } = this.options;
    if (halt?.kind === 'fail') return { reason: 'fail', status: EXIT.FAILURE, message: `the guest ended with failure ${halt.status}` };
    if (exec === undefined) return { reason: 'poweroff', status: EXIT.OK };
    if (exec.status !== undefined) return { reason: 'poweroff', status: exec.status };
    return { reason: 'poweroff', status: EXIT.FAILURE, message: exec.begun ? 'the guest powered off before the command ended' : 'the guest powered off before the command began' };
  }

  /** Console output: shown, and looked at for the end of the boot, of the command, of everything. */
  private show(bytes: Uint8Array): void {
    const { exec } = this.options;
    this.panic.push(bytes);
    clearTimeout(this.panicTimer);
    if (this.panic.suspected !== undefined) this.panicTimer = setTimeout(() => this.panicked(), PANIC_SILENCE);
    const begun = exec?.begun ?? true;
    const shown = exec?.push(bytes) ?? bytes;
    if (exec?.begun !== begun) this.input?.start();
    if (exec === undefined || exec.begun) this.progress?.end();
    if (shown.length === 0) return;
    this.modes.push(shown);
    this.lastByte = shown[shown.length - 1]!;
    process.stdout.write(shown);
  }

  private panicked(): void {
    this.end({ reason: 'panic', status: EXIT.PANIC, message: `the guest's kernel panicked: ${this.panic.suspected}` });
  }

  private type(chunk: Uint8Array): void {
    for (const piece of this.keys.push(chunk)) {
      if ('action' in piece) this.act(piece.action);
      else if (this.standing) {
        if (piece.bytes.includes(ENTER)) this.onEnter?.();
      } else this.machine.write(piece.bytes);
    }
  }

  private act(action: EscapeAction): void {
    switch (action) {
      case 'help':
        return this.say(['', ...ESCAPE_HELP]);
      case 'quit':
        return this.end({ reason: 'quit', status: EXIT.OK });
      case 'stats':
        return this.say(['', this.soFar()]);
      case 'pause':
        if (!this.standing) void this.machine.pause();
        return;
    }
  }

  private soFar(): string {
    const { machine } = this;
    const instructions = machine.instant.instructions;
    return summaryLine({ instructions, guestSeconds: machine.guestTime, wallSeconds: (performance.now() - this.start) / 1000, mips: instructions / 1000 / this.busy() });
  }

  /** The machine stands until Enter. */
  private async stand(): Promise<void> {
    this.standing = true;
    this.say(['', `paused after ${this.soFar()}; Enter goes on, Ctrl-A x leaves`]);
    await new Promise<void>((resolve) => {
      this.onEnter = resolve;
    });
    this.onEnter = undefined;
    this.standing = false;
  }

  /** Lines for the user on a raw terminal, where a line feed alone does not return. */
  private say(lines: readonly string[]): void {
    process.stderr.write(lines.map((line) => `${line}\r\n`).join(''));
  }
}
