import { fromBase64 } from '../../bytes/base64.ts';
import { compareInstants } from '../../record/door.ts';
import { findProcess } from '../find-process.ts';
import { type Inferior, type InferiorStop, WholeMachine } from '../inferior.ts';
import { parseAddress, parseInstant } from '../monitor/commands.ts';
import { ClientSettings, type Monitor } from '../monitor/monitor.ts';
import { DebugError, type DebugTarget } from '../target.ts';
import { Arguments } from './arguments.ts';
import { Breakpoints } from './breakpoints.ts';
import { completions } from './completions.ts';
import { EXCEPTION_FILTERS, Exceptions } from './exceptions.ts';
import { encodeMessage, FramingError, MessageReader } from './framing.ts';
import { Inspector } from './inspect.ts';
import { Motion } from './motion.ts';
import { Stepper, type StepperOptions } from './moves.ts';
import { Variables } from './variables.ts';

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
  supportsSetExpression: true,
  supportsCompletionsRequest: true,
  completionTriggerCharacters: ['.', '>'],
  supportsModulesRequest: true,
  supportsLoadedSourcesRequest: true,
  supportsRestartRequest: true,
  supportsExceptionFilterOptions: true,
  supportsExceptionInfoRequest: true,
  supportsValueFormattingOptions: true,
  exceptionBreakpointFilters: EXCEPTION_FILTERS,
} as const;
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
  private readonly exceptions: Exceptions;
  private readonly variables: Variables;
  private readonly motion: Motion;
  private closed = false;
  private progress = false;
  private invalidates = false;
  private stopOnEntry = true;
  private autoBranch: boolean;

  constructor(target: DebugTarget, options: DapSessionOptions) {
    this.target = target;
    this.options = options;
    const { guestInfo } = options.monitor;
    this.machine = new WholeMachine(target, options.monitor, this.settings);
    this.autoBranch = options.autoBranch ?? false;
    const inferior = (): Inferior => this.inferior;
    this.variables = new Variables(target, options.monitor, inferior, () => this.writable());
    this.inspector = new Inspector(options.monitor, inferior, this.variables);
    this.exceptions = new Exceptions(guestInfo);
    this.breakpoints = new Breakpoints(guestInfo, (output) => this.event('output', { category: 'console', output }));
    this.stepper = new Stepper(
      () => this.inferior,
      guestInfo,
      () => this.breakpoints.points(),
    );
    this.motion = new Motion({
      target,
      inferior,
      breakpoints: this.breakpoints,
      exceptions: this.exceptions,
      event: (name, body) => this.event(name, body),
      moved: () => this.variables.clear(),
      progress: () => this.progress,
    });
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
    this.motion.interrupt();
    await this.work;
  }

  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    this.motion.interrupt();
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
      this.options.monitor.opening?.interrupt();
      this.motion.interrupt();
      respond(true);
      return;
    }
    if (command === 'disconnect' || command === 'terminate') {
      this.motion.interrupt();
      respond(true);
      if (command === 'terminate') this.event('terminated');
      this.finish();
      return;
    }
    // Says only what we can do: it needs no machine, and does not wait for one that is being moved.
    if (command === 'initialize') {
      this.progress = args.flag('supportsProgressReporting');
      this.invalidates = args.flag('supportsInvalidatedEvent');
      respond(true, CAPABILITIES);
      const { opening } = this.options.monitor;
      if (opening?.underWay && this.progress) {
        const { tell } = this.motion.startProgress('Replaying the recording');
        opening.onProgress(tell);
      }
      return;
    }
    // Whoever wants to be elsewhere need not wait for the end.
    if ((command === 'launch' || command === 'attach') && args.has('at')) this.options.monitor.opening?.interrupt();
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
      return () => this.motion.move(go);
    };
    const byLine = args.optionalText('granularity') !== 'instruction';
    const thread = (): number => this.inspector.thread(args.number('threadId'));
    switch (command) {
      case 'launch':
      case 'attach': {
        await this.options.start?.(args);
        this.stopOnEntry = !args.flag('continueOnEntry');
        this.autoBranch ||= args.flag('autoBranch');
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
          return async () => this.motion.stopped('entry', this.inferior.activeThread());
        }
        return move((o) => this.motion.go(o, false));
      case 'setBreakpoints':
        return void respond(true, this.breakpoints.source(args));
      case 'setFunctionBreakpoints':
        return void respond(true, this.breakpoints.functions(args));
      case 'setInstructionBreakpoints':
        return void respond(true, this.breakpoints.instructions(args));
      case 'setDataBreakpoints':
        return void respond(true, this.breakpoints.data(args));
      case 'setExceptionBreakpoints':
        return void respond(true, this.exceptions.set(args));
      case 'exceptionInfo': {
        const { id, text } = this.motion.lastException ?? {
          id: 'none',
          text: 'execution did not stop at an exception',
        };
        return void respond(true, { exceptionId: id, description: text, breakMode: 'always' });
      }
      case 'dataBreakpointInfo':
        return void respond(true, this.dataInfo(args));
      case 'threads':
        return void respond(true, this.inspector.threads());
      case 'stackTrace':
        return void respond(true, this.inspector.stackTrace(args));
      case 'scopes':
        return void respond(true, this.variables.scopes(args));
      case 'variables':
        return void respond(true, this.variables.variables(args));
      case 'setVariable':
      case 'setExpression': {
        const body = await (command === 'setVariable' ? this.variables.set(args) : this.variables.setExpression(args));
        respond(true, body);
        return async () => this.invalidated();
      }
      case 'completions': {
        const at = this.variables.place(args.optionalNumber('frameId'));
        return void respond(true, completions(args, this.variables, at, this.options.monitor.guestInfo));
      }
      case 'modules':
        return void respond(true, this.inspector.modules(args));
      case 'loadedSources':
        return void respond(true, this.inspector.loadedSources());
      case 'timeline': {
        // Not the protocol's: for the slider of our extension.
        const { begin, end, at } = this.target.mover;
        return void respond(true, { begin: begin.instructions, at: at.instructions, end: end.instructions });
      }
      case 'restart':
        return move((o) => this.restart(o));
      case 'readMemory':
        return void respond(true, this.inspector.readMemory(args));
      case 'writeMemory':
        return void respond(true, await this.writeMemory(args));
      case 'disassemble':
        return void respond(true, this.inspector.disassemble(args));
      case 'evaluate':
        return this.evaluate(args, respond);
      case 'continue':
        return move((o) => this.motion.go(o, false), { allThreadsContinued: true });
      case 'reverseContinue':
        return move((o) => this.motion.go(o, true));
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
        return move((o) => {
          const points = [{ kind: 'execute', start: address, end: address + 1n }] as const;
          return back ? this.inferior.reverseContinue({ ...o, points }) : this.inferior.continue({ ...o, points });
        });
      }
      default:
        throw new DebugError(`the request "${command}" is not supported`);
    }
  }

  /** From here on one process is debugged. @throws DebugError when there is none */
  private async attach(which: string): Promise<void> {
    const { guestInfo } = this.options.monitor;
    const pid = await findProcess(this.target, guestInfo, which);
    await this.settings.attach(this.target, guestInfo, pid);
  }

  /** From the beginning again: of the process, or of the recording. */
  private async restart(o: StepperOptions): Promise<InferiorStop> {
    const { inferior } = this;
    if (inferior.pid !== undefined) return inferior.reverseContinue({ ...o, points: [] });
    const { mover } = this.target;
    const { reason, hart } = await mover.seek(mover.begin, o);
    return { reason: reason === 'there' ? 'begin' : reason, thread: hart + 1 };
  }

  /** A write changed what clients may show. */
  private invalidated(): void {
    this.variables.clear();
    if (this.invalidates) this.event('invalidated', { areas: ['all'] });
  }

  private dataInfo(args: Arguments): object {
    const at = this.variables.place(args.optionalNumber('frameId'));
    const reference = args.optionalNumber('variablesReference');
    const named = args.text('name');
    try {
      const value = reference ? this.variables.part(reference, named) : this.variables.evaluated(named, at).referred;
      // A number is an address; an object is watched where it lies.
      const address = value.address ?? BigInt.asUintN(64, value.number);
      const bytes = args.optionalNumber('bytes') ?? (value.address === undefined ? 8 : Math.max(1, value.size));
      return {
        dataId: `0x${address.toString(16)},${bytes}`,
        description: `${bytes} bytes at ${this.options.monitor.guestInfo.describe(address)}`,
        accessTypes: ['read', 'write', 'readWrite'],
        canPersist: false,
      };
    } catch (e) {
      if (!(e instanceof DebugError)) throw e;
      return { dataId: null, description: e.message };
    }
  }

  /** Before a write: a branch begins if the user wants that. */
  private async writable(): Promise<void> {
    if (this.target.readOnly && this.autoBranch) await this.target.branch();
  }

  private async writeMemory(args: Arguments): Promise<object> {
    const address = BigInt.asUintN(64, args.address('memoryReference') + BigInt(args.optionalNumber('offset') ?? 0));
    const bytes = fromBase64(args.text('data'));
    if (bytes === undefined) throw new DebugError('the data is not base64');
    await this.writable();
    const bytesWritten = this.inferior.writeMemory(this.inferior.activeThread(), address, bytes);
    if (bytesWritten < bytes.length && !args.flag('allowPartial'))
      throw new DebugError(`only ${bytesWritten} of ${bytes.length} bytes could be written`);
    this.invalidated();
    return { bytesWritten };
  }

  private async evaluate(
    args: Arguments,
    respond: (success: boolean, body?: object) => void,
  ): Promise<(() => Promise<void>) | undefined> {
    const text = args.text('expression').trim();
    const { monitor } = this.options;
    if (args.optionalText('context') === 'repl' && monitor.knows(text)) {
      const before = this.target.instant;
      const thread = this.variables.threadOf(args.optionalNumber('frameId'));
      const { inferior } = this;
      const result = await this.motion.cancellable('Working', ({ signal }) =>
        monitor.run(text, { hart: inferior.hartOf(thread), settings: this.settings, ...(signal && { signal }) }),
      );
      respond(true, { result, variablesReference: 0 });
      if (compareInstants(this.target.instant, before) === 0 && inferior === this.inferior) return undefined;
      this.variables.clear();
      return async () => this.motion.stopped('goto', this.inferior.activeThread());
    }
    const at = this.variables.place(args.optionalNumber('frameId'));
    const readOnly = this.target.readOnly;
    respond(true, await this.variables.evaluate(text, at, args.object('format').flag('hex')));
    // What was assigned may show elsewhere too.
    return /[^=!<>]=[^=]/.test(text) || readOnly !== this.target.readOnly ? async () => this.invalidated() : undefined;
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
