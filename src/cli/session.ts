import { constants } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { ExecOutput } from '../guest/exec-stream.ts';
import { PanicWatch } from '../guest/panic-watch.ts';
import { HostTerminal } from '../host/node/terminal.ts';
import type { RunResult } from '../machine/session/driver.ts';
import type { Machine } from '../machine/session/machine.ts';
import type { LivePast } from '../timeline/live.ts';
import type { Timeline } from '../timeline/timeline.ts';
import { ConsoleLog } from './console-log.ts';
import { ESCAPE_HELP, type EscapeAction, EscapeKeys } from './escape-keys.ts';
import { describeError, EXIT } from './exit.ts';
import { GuestInput } from './guest-input.ts';
import { bootText, ProgressLine } from './progress.ts';
import { summaryLine } from './summary.ts';
import { TerminalModes } from './terminal-modes.ts';
import { formatBytes } from './values.ts';

/** How a session begins. */
export interface SessionOptions {
  /** Takes a command's own output out of the console; without it all of the console is shown. */
  readonly exec?: ExecOutput;
  /** The command is a shell of the session's own: a guest that it powers off ends in order. */
  readonly shell?: boolean;
  /** `keys`: a raw terminal · `framed`: a stream for a command · `plain`: a stream for whatever reads the console · `none` */
  readonly input: 'keys' | 'framed' | 'plain' | 'none';
  /** Milliseconds after which the machine is switched off. */
  readonly timeout?: number;
  /** Where the machine's past is kept, for going back in it. */
  readonly past?: LivePast;
  /** Saves the machine once the console has shown a text; the session ends then. */
  readonly snapshot?: { readonly after: string; readonly target: string };
  readonly quiet: boolean;
  /** What the tiers of its disks did so far, a line each. */
  readonly tiers?: () => readonly string[];
  /** The machine can be left as it is, by a key, or when the terminal goes away. */
  readonly detachable?: boolean;
}

/** Why a session ended. */
export type EndReason =
  | 'poweroff'
  | 'fail'
  | 'idle'
  | 'quit'
  | 'detach'
  | 'panic'
  | 'timeout'
  | 'interrupt'
  | 'snapshot';

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

/** The guest has no timer set and no input can come. */
const NOTHING_TO_DO: Ending = {
  reason: 'idle',
  status: EXIT.FAILURE,
  message: 'the guest waits for input for ever, and no more can come: standard input has ended, or is not read',
};
/** How long nothing may follow a panic's last line before it is believed, in milliseconds. */
const PANIC_SILENCE = 300;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const ENTER = 0x0d;
const ESCAPE = 0x1b;
const BACK = 0x5b;
const FORWARD = 0x5d;
const CLEAR_SCREEN = '\x1b[H\x1b[2J';
const NEWLINE = 0x0a;
/** Characters of the console's output that a text is looked for in, besides its own length. */
const MOST_RECENT = 65_536;

/** One machine on standard input and output, from its first instruction to whatever ends it. */
export class TerminalSession {
  private readonly machine: Machine;
  private readonly options: SessionOptions;
  private readonly panic = new PanicWatch();
  private readonly modes = new TerminalModes();
  private readonly keys = new EscapeKeys();
  private readonly terminal = new HostTerminal(process.stdin, process.stdout, () => this.modes.undo());
  private readonly undo: (() => void)[] = [];
  private progress: ProgressLine | undefined;
  private input: GuestInput | undefined;
  /** Input ended during the run: whether the guest may wait for it is to be decided again. */
  private inputEnded = false;
  private panicTimer: NodeJS.Timeout | undefined;
  private ending: Ending | undefined;
  private readonly log = new ConsoleLog();
  /** Seconds of guest time to go once the machine is paused; negative is back. */
  private wanted = 0;
  private onKey: (() => void) | undefined;
  private standing = false;
  /** Where the machine is to be saved once it is paused. */
  private saving: string | undefined;
  /** The end of what the console showed, while a text is waited for. */
  private recent = '';
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
        const result = await this.machine.run({ whenIdle: this.inputMayCome ? 'wait' : 'end' });
        if (this.ending !== undefined) return this.ended(this.ending);
        if (this.saving !== undefined && this.options.snapshot !== undefined) {
          await this.saveSnapshot(this.saving);
          return this.ended({ reason: 'snapshot', status: EXIT.OK });
        }
        if (result.reason === 'halt') return this.ended(this.afterHalt(result));
        if (result.reason === 'idle') return this.ended(NOTHING_TO_DO);
        if (this.saving !== undefined) {
          await this.saveSnapshot(this.saving);
          this.saving = undefined;
          continue;
        }
        if (this.inputEnded) {
          this.inputEnded = false;
          continue;
        }
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

  /** Whether somebody may still say something to a guest that waits. */
  private get inputMayCome(): boolean {
    return this.options.input === 'keys' || (this.input !== undefined && !this.input.ended);
  }

  private ended(ending: Ending): SessionEnd {
    return { ...ending, wall: performance.now() - this.start, busy: this.busy() };
  }

  private busy(): number {
    return performance.eventLoopUtilization(this.startLoad).active;
  }

  private open(): void {
    const { machine, options } = this;
    this.progress = new ProgressLine(!options.quiet, (milliseconds) =>
      bootText(milliseconds, machine.instant.instructions),
    );
    this.undo.push(
      () => this.progress?.end(),
      machine.on('console', (bytes) => this.show(bytes)),
    );
    for (const [index, name] of SIGNALS.entries()) {
      const listener = (): void => {
        // The second time someone means it.
        if (this.ending !== undefined) process.exit(EXIT.INTERRUPT);
        if (options.detachable && name !== 'SIGINT') this.end({ reason: 'detach', status: EXIT.OK });
        else this.end({ reason: 'interrupt', status: index === 0 ? EXIT.INTERRUPT : 128 + constants.signals[name] });
      };
      process.on(name, listener);
      this.undo.push(() => process.removeListener(name, listener));
    }
    if (options.timeout !== undefined) {
      const timer = setTimeout(
        () => this.end({ reason: 'timeout', status: EXIT.TIMEOUT, message: 'the time given by --timeout is over' }),
        options.timeout,
      );
      this.undo.push(() => clearTimeout(timer));
    }
    this.undo.push(() => clearTimeout(this.panicTimer));
    if (options.input === 'keys') this.openTerminal();
    else if (options.input !== 'none') {
      this.input = new GuestInput(machine, process.stdin, options.input === 'framed', () => {
        this.inputEnded = true;
        void machine.pause();
      });
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
    this.onKey?.();
    void this.machine.pause();
  }

  private afterHalt({ halt }: RunResult): Ending {
    const { exec } = this.options;
    if (halt?.kind === 'fail')
      return { reason: 'fail', status: EXIT.FAILURE, message: `the guest ended with failure ${halt.status}` };
    if (exec === undefined) return { reason: 'poweroff', status: EXIT.OK };
    if (exec.status !== undefined) return { reason: 'poweroff', status: exec.status };
    if (exec.begun && this.options.shell) return { reason: 'poweroff', status: EXIT.OK };
    return {
      reason: 'poweroff',
      status: EXIT.FAILURE,
      message: exec.begun
        ? 'the guest powered off before the command ended'
        : 'the guest powered off before the command began',
    };
  }

  /** Console output: shown, and looked at for the end of the boot, of the command, of everything. */
  private show(bytes: Uint8Array): void {
    this.awaitText(bytes);
    const { exec } = this.options;
    this.panic.push(bytes);
    clearTimeout(this.panicTimer);
    if (this.panic.suspected !== undefined) this.panicTimer = setTimeout(() => this.panicked(), PANIC_SILENCE);
    const waits = exec !== undefined && !exec.begun;
    const shown = exec?.push(bytes) ?? bytes;
    if (waits && exec.begun) this.input?.start();
    if (exec === undefined || exec.begun) this.progress?.end();
    if (shown.length === 0) return;
    if (this.options.past !== undefined) this.log.push(this.machine.instant.instructions, shown);
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
      else if (!this.standing) this.machine.write(piece.bytes);
      // An arrow key, or the terminal's answer to a question, is no [.
      else if (!piece.bytes.includes(ESCAPE)) for (const byte of piece.bytes) this.standingKey(byte);
    }
  }

  /** While the machine is paused, plain [ and ] do as with Ctrl-A. */
  private standingKey(byte: number): void {
    if (byte === BACK) this.travel(-1);
    else if (byte === FORWARD) this.travel(1);
    else if (byte === ENTER) this.onKey?.();
  }

  private act(action: EscapeAction): void {
    switch (action) {
      case 'help':
        return this.say(['', ...ESCAPE_HELP]);
      case 'quit':
        return this.end({ reason: 'quit', status: EXIT.OK });
      case 'detach':
        if (this.options.detachable) return this.end({ reason: 'detach', status: EXIT.OK });
        return this.say([
          '',
          'only a machine with a name can be left as it is: start one with hindsight run --name NAME',
        ]);
      case 'stats':
        return this.say(['', this.soFar(), ...(this.options.tiers?.() ?? [])]);
      case 'pause':
        if (!this.standing) void this.machine.pause();
        return;
      case 'snapshot':
        if (this.standing) return;
        this.saving = `snapshot-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}`;
        void this.machine.pause();
        return;
      case 'back':
        return this.travel(-1);
      case 'forward':
        return this.travel(1);
    }
  }

  /** Saves the machine, which is paused. @throws SnapshotStoreError for the snapshot that was asked for at the start */
  private async saveSnapshot(target: string): Promise<void> {
    const { saveSnapshot } = await import('../host/node/snapshots/index.ts');
    try {
      const size = await saveSnapshot(this.machine.internals.engine, target);
      if (!this.options.quiet)
        this.say([
          '',
          `hindsight: saved ${target} (${formatBytes(size)}); hindsight run --from ${target} goes on from here`,
        ]);
    } catch (error) {
      if (this.options.snapshot !== undefined) throw error;
      this.say(['', `hindsight: ${describeError(error)}`]);
    }
  }

  /** Looks for the text after which the machine is saved. */
  private awaitText(bytes: Uint8Array): void {
    const { snapshot } = this.options;
    if (snapshot === undefined || this.saving !== undefined) return;
    const text = Buffer.from(snapshot.after).toString('latin1');
    this.recent = (this.recent + Buffer.from(bytes).toString('latin1')).slice(-MOST_RECENT - text.length);
    if (!this.recent.includes(text)) return;
    this.saving = snapshot.target;
    void this.machine.pause();
  }

  /** Asks to go by seconds of guest time; several asked for at once are one move. */
  private travel(seconds: number): void {
    if (this.options.past === undefined || this.ending !== undefined) return;
    this.wanted += seconds;
    if (this.standing) this.onKey?.();
    else void this.machine.pause();
  }

  private soFar(): string {
    const { machine } = this;
    const instructions = machine.instant.instructions;
    return summaryLine({
      instructions,
      guestSeconds: machine.guestTime,
      wallSeconds: (performance.now() - this.start) / 1000,
      mips: instructions / 1000 / this.busy(),
    });
  }

  /** The machine is paused until Enter; meanwhile its past can be gone to. */
  private async stand(): Promise<void> {
    this.standing = true;
    let inPast = false;
    let place = this.machine.guestTime;
    try {
      do {
        if (this.wanted === 0)
          this.say(['', `paused after ${this.soFar()}; Enter goes on, [ and ] go back and forth, Ctrl-A x leaves`]);
        else {
          const past = this.options.past!;
          if (!inPast) past.goBack();
          inPast = true;
          place = await this.go(past.timeline, place);
        }
        if (this.ending === undefined && this.wanted === 0) await this.key();
      } while (this.wanted !== 0 && this.ending === undefined);
    } finally {
      if (inPast) await this.leavePast(this.options.past!);
      this.standing = false;
    }
  }

  private async key(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.onKey = resolve;
    });
    this.onKey = undefined;
  }

  /** @param from the guest time that was asked for last: where nothing is executed the timeline stands before it @returns the same for this move */
  private async go(timeline: Timeline, from: number): Promise<number> {
    const end = timeline.log.endTime / 1e9;
    const begin = (timeline.log.header.start?.time ?? 0) / 1e9;
    const to = Math.min(end, Math.max(begin, from + this.wanted));
    this.wanted = 0;
    await timeline.seek({ guestTime: to });
    this.redraw(timeline.at.instructions);
    this.say([
      '',
      `at ${to.toFixed(2)} s of ${end.toFixed(2)} s; [ and ] go back and forth, Enter goes on from here, Ctrl-A x leaves`,
    ]);
    return to;
  }

  /** Goes on live where the timeline stands; a session that ends keeps all its past. */
  private async leavePast(past: LivePast): Promise<void> {
    if (this.ending === undefined) past.resume();
    else {
      await past.timeline.seek(past.timeline.end);
      this.machine.internals.goLive();
    }
    const { instructions } = this.machine.instant;
    this.log.forgetAfter(instructions);
    if (this.ending === undefined) this.redraw(instructions);
  }

  /** Shows the screen as it was. */
  private redraw(instructions: number): void {
    const shown = this.log.until(instructions);
    process.stdout.write(`${this.modes.undo()}${CLEAR_SCREEN}`);
    this.modes.push(shown);
    process.stdout.write(shown);
  }

  /** Lines for the user on a raw terminal, where a line feed alone does not return. */
  private say(lines: readonly string[]): void {
    process.stderr.write(lines.map((line) => `${line}\r\n`).join(''));
  }
}
