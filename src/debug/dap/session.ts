import { fromBase64 } from '../../bytes/base64.ts';
import { compareInstants } from '../../record/door.ts';
import type { Breakpoint } from '../../timeline/breakpoints.ts';
import { compile, registerNamed } from '../expression.ts';
import { findProcess } from '../find-process.ts';
import { type Inferior, type InferiorStop, WholeMachine } from '../inferior.ts';
import { parseAddress, parseInstant } from '../monitor/commands.ts';
import { ClientSettings, type Monitor } from '../monitor/monitor.ts';
import { Process } from '../process.ts';
import { DebugError, type DebugTarget } from '../target.ts';
import { Arguments } from './arguments.ts';
import { Breakpoints } from './breakpoints.ts';
import { encodeMessage, FramingError, MessageReader } from './framing.ts';
import { Inspector } from './inspect.ts';
import type { StepperOptions } from './moves.ts';
import { Stepper } from './moves.ts';

/** What a session is given. */
export interface DapSessionOptions {
  readonly monitor: Monitor;
  readonly send: (bytes: Uint8Array) => void;
  /** The client is done. */
  readonly close: () => void;
  /** A write to the past makes a branch instead of being refused. */
  readonly autoBranch?: boolean;
  /** Prepares the target when the client launches or attaches; its arguments are the launch configuration's. */
  readonly start?: (args: Arguments) => Promise<void>;
}

const CAPABILITIES = {
  supportsConfigurationDoneRequest: true,
  supportsFunctionBreakpoints: true,
  supportsConditionalBreakpoints: true,
  supportsHitConditionalBreakpoints: true,
  supportsEvaluateForHovers: true,
  supportsStepBack: true,
  supportsSetVariable: true,
  supportsGotoTargetsRequest: true,
  supportsLogPoints: true,
  supportsDataBreakpoints: true,
  supportsReadMemoryRequest: true,
  supportsWriteMemoryRequest: true,
  supportsDisassembleRequest: true,
  supportsCancelRequest: true,
  supportsSteppingGranularity: true,
  supportsInstructionBreakpoints: true,
  supportsTerminateRequest: true,
  supportsDataBreakpointBytes: true,
} as const;
/** Calls of the progress function before the client hears of it. */
const QUIET = 8;
const REASONS = {
  there: 'step',
  hit: 'breakpoint',
  begin: 'pause',
  end: 'pause',
  interrupted: 'pause',
  halted: 'pause',
  signal: 'exception',
  exec: 'pause',
  fork: 'pause',
} as const;
const TEXTS: Partial<Record<InferiorStop['reason'], string>> = {
  begin: 'the beginning of the recording',
  end: 'the end of the recording',
  halted: 'the guest powered off',
  fork: 'the beginning of the child',
};

/** Where `goto` can lead for a source line. */
interface GotoTarget {
  readonly address: bigint;
  readonly back: boolean;
}

/**
 * One client's conversation in the Debug Adapter Protocol, as a function of bytes. Threads are harts. The debug console takes the
 * `monitor` commands and expressions.
 */
export class DapSession {
  private readonly reader = new MessageReader();
  private readonly target: DebugTarget;
  private readonly options: DapSessionOptions;
  private readonly settings = new ClientSettings();
  private readonly inspector: Inspector;
  private readonly breakpoints: Breakpoints;
  private readonly stepper: Stepper;
  private readonly gotoTargets: GotoTarget[] = [];
  private readonly machine: WholeMachine;
  private seq = 0;
  private work: Promise<void> = Promise.resolve();
  private running: AbortController | undefined;
  private closed = false;
  private progress = false;
  private lastProgress = 0;
  private stopOnEntry = true;

  constructor(target: DebugTarget, options: DapSessionOptions) {
    this.target = target;
    this.options = options;
    const { guestInfo } = options.monitor;
    this.machine = new WholeMachine(target, options.monitor, this.settings);
    this.inspector = new Inspector(target, options.monitor, () => this.inferior);
    this.breakpoints = new Breakpoints(guestInfo, (output) => this.event('output', { category: 'console', output }));
    this.stepper = new Stepper(
      () => this.inferior,
      guestInfo,
      () => this.breakpoints.points(),
    );
  }

  private get inferior(): Inferior {
    return this.settings.attached ?? this.machine;
  }

  /** Takes bytes from the client. */
  push(bytes: Uint8Array): void {
    if (this.closed) return;
    try {
      for (const message of this.reader.push(bytes)) this.receive(new Arguments(message));
    } catch (e) {
      if (!(e instanceof FramingError) && !(e instanceof DebugError)) throw e;
      this.event('output', { category: 'stderr', output: `hindsight: ${e.message}\n` });
      this.finish();
    }
  }

  /** The transport is gone. Resolves when nothing runs any more. */
  async end(): Promise<void> {
    this.closed = true;
    this.running?.abort();
    await this.work;
  }

  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    this.running?.abort();
    this.options.close();
  }

  private send(message: object): void {
    this.options.send(encodeMessage({ seq: ++this.seq, ...message }));
  }

  private event(event: string, body?: object): void {
    if (!this.closed) this.send({ type: 'event', event, ...(body ? { body } : {}) });
  }

  private receive(message: Arguments): void {
    if (message.optionalText('type') !== 'request') return;
    // A request that cannot be answered by its number is still one: clients learn what was wrong with it.
    const requestSeq = message.has('seq') ? message.number('seq') : 0;
    const command = message.has('command') ? message.text('command') : '';
    const args = message.object('arguments');
    const respond = (success: boolean, body?: object, text?: string): void => {
      if (!this.closed)
        this.send({
          type: 'response',
          request_seq: requestSeq,
          success,
          command,
          ...(text === undefined ? {} : { message: text }),
          ...(body ? { body } : {}),
        });
    };
    // These act on what is under way and so do not wait for it.
    if (command === 'pause' || command === 'cancel') {
      this.running?.abort();
      respond(true);
      return;
    }
    if (command === 'disconnect' || command === 'terminate') {
      this.running?.abort();
      respond(true);
      if (command === 'terminate') this.event('terminated');
      this.finish();
      return;
    }
    // Says only what we can do: it needs no machine, and does not wait for one that is being moved.
    if (command === 'initialize') {
      this.progress = args.flag('supportsProgressReporting');
      respond(true, CAPABILITIES);
      return;
    }
    this.work = this.work.then(() =>
      this.options.monitor.exclusively(async () => {
        if (this.closed) return;
        try {
          const after = await this.handle(command, args, respond);
          await after?.();
        } catch (e) {
          const text = e instanceof Error ? e.message : String(e);
          respond(false, { error: { id: 1, format: text, showUser: !(e instanceof RangeError) } }, text);
        }
      }),
    );
  }

  /** Answers a request. @returns what to do after the answer */
  private async handle(
    command: string,
    args: Arguments,
    respond: (success: boolean, body?: object) => void,
  ): Promise<(() => Promise<void>) | undefined> {
    const move = (go: (o: StepperOptions) => Promise<InferiorStop>, body?: object): (() => Promise<void>) => {
      respond(true, body);
      return () => this.move(go);
    };
    const byLine = args.optionalText('granularity') !== 'instruction';
    const thread = (): number => this.inspector.thread(args.number('threadId'));
    switch (command) {
      case 'launch':
      case 'attach': {
        await this.options.start?.(args);
        this.stopOnEntry = !args.flag('continueOnEntry');
        const at = args.optionalText('at');
        const which = args.has('processId') ? String(args.number('processId')) : args.optionalText('process');
        if (at !== undefined) await this.target.mover.seek(parseInstant({ target: this.target }, at.split(/\s+/)));
        if (which !== undefined) await this.attach(which);
        respond(true);
        // Breakpoints need the target's symbols, so they are asked for only now.
        this.event('initialized');
        return undefined;
      }
      case 'configurationDone':
        if (this.stopOnEntry) {
          respond(true);
          return async () => this.stopped('entry', this.inferior.activeThread());
        }
        return move((o) => this.go(this.breakpoints.points(), o, false));
      case 'setBreakpoints':
        return void respond(true, this.breakpoints.source(args));
      case 'setFunctionBreakpoints':
        return void respond(true, this.breakpoints.functions(args));
      case 'setInstructionBreakpoints':
        return void respond(true, this.breakpoints.instructions(args));
      case 'setDataBreakpoints':
        return void respond(true, this.breakpoints.data(args));
      case 'setExceptionBreakpoints':
        return void respond(true, { breakpoints: [] });
      case 'dataBreakpointInfo':
        return void respond(true, this.dataInfo(args));
      case 'threads':
        return void respond(true, this.inspector.threads());
      case 'stackTrace':
        return void respond(true, this.inspector.stackTrace(args));
      case 'scopes':
        return void respond(true, this.inspector.scopes(args));
      case 'variables':
        return void respond(true, this.inspector.variables(args));
      case 'setVariable':
        return void respond(true, await this.setVariable(args));
      case 'readMemory':
        return void respond(true, this.inspector.readMemory(args));
      case 'writeMemory':
        return void respond(true, await this.writeMemory(args));
      case 'disassemble':
        return void respond(true, this.inspector.disassemble(args));
      case 'evaluate':
        return this.evaluate(args, respond);
      case 'continue':
        return move((o) => this.go(this.breakpoints.points(), o, false), { allThreadsContinued: true });
      case 'reverseContinue':
        return move((o) => this.go(this.breakpoints.points(), o, true));
      case 'next':
        return move((o) => this.stepper.over(thread(), byLine, o));
      case 'stepIn':
        return move((o) => this.stepper.in(thread(), byLine, o));
      case 'stepOut':
        return move((o) => this.stepper.out(thread(), o));
      case 'stepBack':
        return move((o) => this.stepper.back(thread(), byLine, o));
      case 'gotoTargets':
        return void respond(true, this.lineTargets(args));
      case 'goto': {
        const target = this.gotoTargets[args.number('targetId')];
        if (!target) throw new DebugError('this target is not known any more');
        const { address, back } = target;
        return move((o) => this.go([{ kind: 'execute', start: address, end: address + 1n }], o, back));
      }
      default:
        throw new DebugError(`the request "${command}" is not supported`);
    }
  }

  /** From here on one process is debugged. @throws DebugError when there is none */
  private async attach(which: string): Promise<void> {
    const { guestInfo } = this.options.monitor;
    const pid = await findProcess(this.target, guestInfo, which);
    this.settings.attached = new Process(this.target, guestInfo, pid, () => this.settings.followChild);
  }

  /** Watchpoints stop where their effect shows: forward after the instruction, backward before it. */
  private go(points: readonly Breakpoint[], o: StepperOptions, back: boolean): Promise<InferiorStop> {
    const { inferior } = this;
    return back ? inferior.reverseContinue({ ...o, points }) : inferior.continue({ ...o, points, watch: 'after' });
  }

  private async move(go: (o: StepperOptions) => Promise<InferiorStop>): Promise<void> {
    this.running = new AbortController();
    const progress = this.startProgress();
    try {
      const end = await go({
        signal: this.running.signal,
        onProgress: progress.tell,
      });
      progress.end();
      if (end.reason === 'halted') this.event('terminated');
      else this.reportEnd(end);
    } catch (e) {
      progress.end();
      this.event('output', { category: 'stderr', output: `${e instanceof Error ? e.message : String(e)}\n` });
      this.stopped('pause', this.inferior.activeThread());
    } finally {
      this.running = undefined;
    }
  }

  private reportEnd({ reason, thread, hit, signal, path }: InferiorStop): void {
    const data = hit !== undefined && hit.point.kind !== 'execute';
    const id = hit && this.breakpoints.idOf(hit.point);
    const text =
      reason === 'signal' ? `signal ${signal}` : reason === 'exec' ? `the program ${path ?? ''}` : TEXTS[reason];
    this.stopped(data ? 'data breakpoint' : REASONS[reason], thread, {
      ...(text !== undefined && { description: `Paused at ${text}`, text }),
      ...(id !== undefined && { hitBreakpointIds: [id] }),
    });
  }

  private stopped(reason: string, threadId: number, more: object = {}): void {
    this.event('stopped', { reason, threadId, allThreadsStopped: true, ...more });
  }

  private startProgress(): { tell: (done: number) => void; end: () => void } {
    const progressId = `move-${++this.lastProgress}`;
    let calls = 0;
    return {
      tell: (done) => {
        if (!this.progress || ++calls < QUIET) return;
        if (calls === QUIET)
          this.event('progressStart', {
            progressId,
            title: 'Searching the recording',
            cancellable: true,
            percentage: 0,
          });
        this.event('progressUpdate', { progressId, percentage: Math.floor(Math.min(1, Math.max(0, done)) * 100) });
      },
      end: () => {
        if (calls >= QUIET) this.event('progressEnd', { progressId });
      },
    };
  }

  private dataInfo(args: Arguments): object {
    const name = args.text('name');
    const thread = this.inspector.threadOfFrame(args.optionalNumber('frameId'));
    const bytes = args.optionalNumber('bytes') ?? 8;
    let address: bigint;
    try {
      address = this.value(name, thread);
    } catch (e) {
      if (!(e instanceof DebugError)) throw e;
      return { dataId: null, description: e.message };
    }
    return {
      dataId: `0x${address.toString(16)},${bytes}`,
      description: `${bytes} bytes at ${this.options.monitor.guestInfo.describe(address)}`,
      accessTypes: ['read', 'write', 'readWrite'],
      canPersist: false,
    };
  }

  /** What an expression is worth to a thread. @throws DebugError */
  private value(text: string, thread: number): bigint {
    const { view, hart } = this.inferior.view(thread);
    return compile(text, this.options.monitor.guestInfo)(view, hart);
  }

  /** Before a write: a branch begins if the user who started the server wants that. */
  private async writable(): Promise<void> {
    if (this.target.readOnly && this.options.autoBranch) await this.target.branch();
  }

  private async setVariable(args: Arguments): Promise<object> {
    const id = registerNamed(args.text('name'));
    if (!id) throw new DebugError(`"${args.text('name')}" cannot be set`);
    const thread = this.inspector.threadOfReference(args.number('variablesReference'));
    const value = this.value(args.text('value'), thread);
    await this.writable();
    this.inferior.writeRegister(thread, id, value);
    return { value: `0x${(this.inferior.readRegister(thread, id) ?? 0n).toString(16)}` };
  }

  private async writeMemory(args: Arguments): Promise<object> {
    const address = BigInt.asUintN(64, args.address('memoryReference') + BigInt(args.optionalNumber('offset') ?? 0));
    const bytes = fromBase64(args.text('data'));
    if (bytes === undefined) throw new DebugError('the data is not base64');
    await this.writable();
    const bytesWritten = this.inferior.writeMemory(this.inferior.activeThread(), address, bytes);
    if (bytesWritten < bytes.length && !args.flag('allowPartial'))
      throw new DebugError(`only ${bytesWritten} of ${bytes.length} bytes could be written`);
    return { bytesWritten };
  }

  private async evaluate(
    args: Arguments,
    respond: (success: boolean, body?: object) => void,
  ): Promise<(() => Promise<void>) | undefined> {
    const text = args.text('expression').trim();
    const thread = this.inspector.threadOfFrame(args.optionalNumber('frameId'));
    const { monitor } = this.options;
    if (args.optionalText('context') === 'repl' && monitor.knows(text)) {
      const before = this.target.instant;
      this.running = new AbortController();
      const result = await monitor

        .run(text, { hart: this.inferior.hartOf(thread), settings: this.settings, signal: this.running.signal })
        .finally(() => {
          this.running = undefined;
        });
      respond(true, { result, variablesReference: 0 });
      return compareInstants(this.target.instant, before) === 0
        ? undefined
        : async () => this.stopped('goto', this.inferior.activeThread());
    }
    const value = this.value(text, thread);
    respond(true, {
      result: monitor.guestInfo.describe(value),
      variablesReference: 0,
      memoryReference: `0x${value.toString(16)}`,
    });
    return undefined;
  }

  private lineTargets(args: Arguments): object {
    const source = args.object('source');
    const path = source.optionalText('path') ?? source.text('name');
    const found = this.options.monitor.guestInfo.place(path, args.number('line'));
    const address =
      found?.address ??
      (args.optionalText('instructionPointerReference') === undefined
        ? undefined
        : parseAddress(this.options.monitor, args.text('instructionPointerReference')));
    if (address === undefined) return { targets: [] };
    const target = (label: string, back: boolean): object => {
      const id = this.gotoTargets.push({ address, back }) - 1;
      return { id, label, line: found?.line ?? 0, instructionPointerReference: `0x${address.toString(16)}` };
    };
    return { targets: [target('the last time this line ran', true), target('the next time this line runs', false)] };
  }
}
