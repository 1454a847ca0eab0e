import { GuestInfo } from '../../debug/guest-info.ts';
import { GuestLink } from '../../host/guest-link.ts';
import { createHostRoom } from '../../host/room.ts';
import type { Machine } from '../../machine/session/machine.ts';
import type { Session } from '../../machine/session/session.ts';
import { copyRecording } from '../../record/copy.ts';
import type { Instant } from '../../record/door.ts';
import type { NotedInstant } from '../../record/format.ts';
import type { GuestFiles } from '../../sandbox/files.ts';
import type { MoveOptions } from '../../timeline/driver.ts';
import { LivePast } from '../../timeline/live.ts';
import type { MoveResult } from '../../timeline/mover.ts';
import type { RecordedTimeline } from '../../timeline/open.ts';
import type { Timeline } from '../../timeline/timeline.ts';
import type { MachineState, News, SiteFile } from './protocol.ts';
import type { LookedAt } from './questions/looked-at.ts';
import { Sampler } from './sampler.ts';
import { Telling } from './telling.ts';

/** Bytes of memory for checkpoints. */
const PAST_BUDGET = 128 * 2 ** 20;
/** Milliseconds between reports of a machine that runs. */
const REPORT_EVERY = 60;

/** What a computer in the page has besides its timeline. */
type Source =
  | { readonly machine: Machine; readonly past: LivePast }
  | { readonly recorded: RecordedTimeline; readonly branch: (timeline: RecordedTimeline) => Machine };

/**
 * The machine that the page shows: live, with its past, or a recording. Going back and going on are here; one of them at a time, in the order in
 * which they are asked for.
 */
export class Computer {
  readonly info: GuestInfo;
  private readonly source: Source;
  private readonly tell: (news: News) => void;
  private readonly telling: Telling;
  private readonly sampler: Sampler;
  private readonly room = createHostRoom();
  private run: Promise<void> | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private moving: AbortController | undefined;
  private reportedAt = 0;
  /** Why the machine stopped by itself, if an error ended it. */
  private failure: string | undefined;
  private readonly link: GuestLink | undefined;

  constructor(source: Source, tell: (news: News) => void) {
    this.source = source;
    this.tell = tell;
    this.telling = new Telling(tell);
    this.info = new GuestInfo(this.timeline.view);
    this.sampler = new Sampler(this.session, this.info, this.telling, this.room.now, true);
    if ('machine' in source) {
      this.link = new GuestLink(source.machine);
      this.listen(source);
    }
  }

  /** A machine that has not run yet. */
  static live(machine: Machine, tell: (news: News) => void): Computer {
    return new Computer({ machine, past: new LivePast(machine, createHostRoom(), { budget: PAST_BUDGET }) }, tell);
  }

  get timeline(): Timeline {
    return 'past' in this.source ? this.source.past.timeline : this.source.recorded;
  }

  get session(): Session {
    return this.timeline.session;
  }

  get machine(): Machine | undefined {
    return 'machine' in this.source ? this.source.machine : undefined;
  }

  /** For questions; between two instructions, as everything in this worker is. */
  get lookedAt(): LookedAt {
    return { view: this.timeline.view, info: this.info, timeline: this.timeline };
  }

  get state(): MachineState {
    const { session, timeline } = this;
    const { engine, log } = session;
    const { start } = log.header;
    const live = session.state !== 'past';
    const halt = this.failure ?? engine.halt?.kind;
    return {
      mode: live ? 'live' : 'past',
      running: this.run !== undefined,
      at: timeline.at,
      time: engine.time,
      begin: timeline.begin,
      beginTime: timeline.checkpoints.all[0]?.time ?? start?.time ?? 0,
      end: timeline.end,
      endTime: live ? engine.time : log.endTime,
      harts: engine.harts.length,
      ...(live && halt !== undefined && { halt }),
    };
  }

  /** Lets a live machine that has not run yet run, and attaches to its guest. */
  begin(): void {
    this.start();
    this.link?.attach();
  }

  /** Files of the guest. @throws SessionEndedError, Error when the machine is not live */
  async files(): Promise<GuestFiles> {
    if (this.link === undefined || this.session.state === 'past')
      throw new Error('files go in and out while the machine is live: choose "Back to now" or "Go on from here" first');
    return this.link.files();
  }

  /** Lets a live machine run until something ends it. */
  private start(): void {
    const { machine } = this;
    if (machine === undefined || this.run !== undefined || this.session.state === 'past') return;
    this.run = machine
      .run({ whenIdle: 'wait' })
      .then(
        () => undefined,
        (error: unknown) => {
          this.failure = error instanceof Error ? error.message : String(error);
        },
      )
      .finally(() => {
        this.run = undefined;
        this.report();
      });
    this.report();
  }

  /** Stops a live machine; it is in its past then, at the end. */
  pause(): Promise<void> {
    return this.inTurn(() => this.enterPast());
  }

  /** To the present, and on. */
  goLive(): Promise<void> {
    return this.inTurn(async () => {
      if (this.machine === undefined || this.session.state !== 'past') return;
      await this.timeline.seek(this.timeline.end);
      this.session.goLive();
      this.sampler.moved();
      this.start();
    });
  }

  /**
   * Goes on live from here. @returns the computer that does: itself, whose future is forgotten, or one that a recording was branched to
   */
  resumeHere(): Promise<Computer> {
    return this.inTurn(async () => {
      const { source } = this;
      if ('recorded' in source) {
        const { instructions, time } = this.session.engine;
        const branch = Computer.live(source.branch(source.recorded), this.tell);
        this.tell({ kind: 'cut', instructions, time });
        return branch;
      }
      await this.enterPast();
      const { engine } = this.session;
      source.past.resume();
      this.tell({ kind: 'cut', instructions: engine.instructions, time: engine.time });
      this.sampler.moved();
      this.start();
      this.link?.attach();
      return this;
    });
  }

  seek(to: Instant | { readonly time: number }): Promise<MoveResult> {
    const destination = 'time' in to ? { guestTime: to.time / 1e9 } : to;
    return this.move((options) => this.timeline.seek(destination, options));
  }

  /** Makes a move of the timeline, or a search that ends where it began; a live machine is stopped first. */
  move<T>(act: (options: MoveOptions) => Promise<T>): Promise<T> {
    return this.inTurn(async () => {
      await this.enterPast();
      const moving = new AbortController();
      this.moving = moving;
      try {
        return await act({ signal: moving.signal, onProgress: (done) => this.progress(done) });
      } finally {
        this.moving = undefined;
        this.report();
      }
    });
  }

  interrupt(): void {
    this.moving?.abort();
  }

  /**
   * The recording so far, whole.
   * @param marks that are kept with it @param files that are put into it
   */
  recording(marks: readonly NotedInstant[], files: readonly SiteFile[]): Blob {
    const { log, state, engine } = this.session;
    const present = state === 'past' ? {} : { end: { at: engine.instant, time: engine.time } };
    const parts = copyRecording(log, { ...present, marks, files });
    return new Blob(parts, { type: 'application/octet-stream' });
  }

  async close(): Promise<void> {
    this.interrupt();
    if ('machine' in this.source) await this.source.machine.close();
    else await this.source.recorded.close();
  }

  private async enterPast(): Promise<void> {
    if (!('machine' in this.source) || this.session.state === 'past') return;
    await this.source.machine.pause();
    await this.run;
    this.sampler.sample();
    this.telling.flush();
    this.source.past.goBack();
    this.report();
  }

  private listen({ machine }: { readonly machine: Machine }): void {
    machine.onOutput = (port, bytes) => this.sampler.output(port, bytes);
    machine.on('event', (event) => this.sampler.event(event));
    const { onSlice } = machine;
    machine.onSlice = () => {
      onSlice?.();
      this.sampler.sample();
      this.reportSoon();
    };
  }

  /** Between two slices: what was typed is echoed at once, the rest a few times a second. */
  private reportSoon(): void {
    const now = this.room.now();
    if (now - this.reportedAt < REPORT_EVERY && !this.telling.hasConsole) return;
    this.reportedAt = now;
    this.report();
  }

  /** A move that takes its time says how far it is. */
  private progress(done: number): void {
    const now = this.room.now();
    if (now - this.reportedAt < REPORT_EVERY) return;
    this.reportedAt = now;
    this.tell({ kind: 'progress', done });
  }

  private report(): void {
    this.telling.flush();
    this.tell({ kind: 'state', state: this.state });
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.turn.then(act);
    this.turn = result.catch(() => undefined);
    return result;
  }
}
