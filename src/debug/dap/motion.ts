import { PC } from '../../machine/view/machine-view.ts';
import type { Inferior, InferiorStop } from '../inferior.ts';
import { Process } from '../process.ts';
import type { DebugTarget } from '../target.ts';
import type { Breakpoints } from './breakpoints.ts';
import { type ExceptionNote, type Exceptions, signalNote } from './exceptions.ts';
import type { StepperOptions } from './moves.ts';

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

/** Whom a session's moves concern. */
export interface MotionScene {
  readonly target: DebugTarget;
  readonly breakpoints: Breakpoints;
  readonly exceptions: Exceptions;
  readonly inferior: () => Inferior;
  /** Sends an event. */
  readonly event: (name: string, body?: object) => void;
  /** What was known of frames and variables is no more. */
  readonly moved: () => void;
  /** Whether the client shows progress. */
  readonly progress: () => boolean;
}

/** The moves of one DAP client: with progress, ended by a pause, told in `stopped` events. */
export class Motion {
  private readonly scene: MotionScene;
  private running: AbortController | undefined;
  private lastProgress = 0;
  /** What the last stop was, if it was an exception. */
  lastException: ExceptionNote | undefined;

  constructor(scene: MotionScene) {
    this.scene = scene;
  }

  /** Ends what is under way. */
  interrupt(): void {
    this.running?.abort();
  }

  /** Does something that a pause ends. @param title what clients are told while it lasts */
  async cancellable<T>(title: string, act: (o: StepperOptions) => Promise<T>): Promise<T> {
    this.running = new AbortController();
    const progress = this.startProgress(title);
    try {
      return await act({ signal: this.running.signal, onProgress: progress.tell });
    } finally {
      progress.end();
      this.running = undefined;
    }
  }

  /** Makes a move and tells where it stopped. */
  async move(go: (o: StepperOptions) => Promise<InferiorStop>): Promise<void> {
    try {
      const end = await this.cancellable('Searching the recording', async (o) => {
        const counted = await this.countHits(o);
        return counted ? go(o) : undefined;
      });
      this.scene.moved();
      this.scene.breakpoints.refresh((breakpoint) => this.scene.event('breakpoint', { reason: 'changed', breakpoint }));
      if (end === undefined) this.stopped('pause', this.scene.inferior().activeThread());
      else if (end.reason === 'halted') this.scene.event('terminated');
      else this.report(end);
    } catch (e) {
      this.scene.moved();
      this.scene.event('output', { category: 'stderr', output: `${e instanceof Error ? e.message : String(e)}\n` });
      this.stopped('pause', this.scene.inferior().activeThread());
    }
  }

  /** To the next breakpoint or exception, or the last one. Watchpoints stop where their effect shows: forward after the instruction, backward before it. */
  async go(o: StepperOptions, back: boolean): Promise<InferiorStop> {
    const { breakpoints, exceptions } = this.scene;
    for (;;) {
      const inferior = this.scene.inferior();
      const process = inferior instanceof Process;
      const points = [...breakpoints.points(), ...exceptions.points(process)];
      const end = await (back
        ? inferior.reverseContinue({ ...o, points })
        : inferior.continue({ ...o, points, watch: 'after' }));
      // A process tells of every signal: it goes on where the client does not want them.
      if (end.reason !== 'signal' || exceptions.wants('signal')) return end;
    }
  }

  stopped(reason: string, threadId: number, more: object = {}): void {
    this.scene.event('stopped', { reason, threadId, allThreadsStopped: true, ...more });
  }

  private report({ reason, thread, hit, signal, path }: InferiorStop): void {
    const { breakpoints, exceptions, target } = this.scene;
    const id = hit && breakpoints.idOf(hit.point);
    const exception =
      reason === 'signal'
        ? signalNote(signal ?? 0)
        : hit && id === undefined
          ? exceptions.note(target.readRegister(hit.hart, PC) ?? 0n, (r) => target.readRegister(hit.hart, r))
          : undefined;
    this.lastException = exception;
    const text = exception?.text ?? (reason === 'exec' ? `the program ${path ?? ''}` : TEXTS[reason]);
    const data = hit !== undefined && hit.point.kind !== 'execute';
    this.stopped(exception ? 'exception' : data ? 'data breakpoint' : REASONS[reason], thread, {
      ...(text !== undefined && { description: `Paused at ${text}`, text }),
      ...(id !== undefined && { hitBreakpointIds: [id] }),
    });
  }

  /** Counts the hits of breakpoints that stop at certain ones, over the whole recording. @returns false when it was interrupted */
  private async countHits(o: StepperOptions): Promise<boolean> {
    const { breakpoints, inferior, target } = this.scene;
    const wanted = breakpoints.uncounted();
    if (wanted.length === 0) return true;
    const { mover } = target;
    const from = mover.at;
    const points = inferior().restricted(wanted.map(({ point }) => point));
    const found = wanted.map((): number[] => []);
    await mover.seek(mover.begin, o);
    const { reason } = await mover.scan(
      points,
      mover.end,
      ({ point, at }) => {
        found[points.indexOf(point)]?.push(at.instructions);
        return true;
      },
      o,
    );
    await mover.seek(from);
    if (reason === 'interrupted') return false;
    wanted.forEach((count, i) => count.take(found[i]));
    return true;
  }

  /** Tells the client how far something is, if it takes long and the client shows that. */
  startProgress(title: string): { tell: (done: number) => void; end: () => void } {
    const { event } = this.scene;
    const progressId = `move-${++this.lastProgress}`;
    let calls = 0;
    return {
      tell: (done) => {
        if (!this.scene.progress() || ++calls < QUIET) return;
        if (calls === QUIET) event('progressStart', { progressId, title, cancellable: true, percentage: 0 });
        event('progressUpdate', { progressId, percentage: Math.floor(Math.min(1, Math.max(0, done)) * 100) });
      },
      end: () => {
        if (calls >= QUIET) event('progressEnd', { progressId });
      },
    };
  }
}
