import type { Recorder } from '../../record/recorder.ts';
import type { Engine } from '../engine/engine.ts';
import { stateHash } from '../state/state-hash.ts';
import type { HostRoom } from './host-room.ts';

/** Milliseconds between hand-overs of the recording to its file, with events and without. */
const FLUSH_EVERY = 250;
const FLUSH_QUIET = 2000;

/** When state hashes go into a live machine's recording, and when the recording goes to its file. */
export class RecordingCadence {
  private readonly engine: Engine;
  private readonly recorder: Recorder;
  private readonly room: HostRoom;
  private readonly hashEvery: number;
  private flushed = 0;

  /** @param hashEvery instructions between hashes; 0 for none */
  constructor(engine: Engine, recorder: Recorder, room: HostRoom, hashEvery: number) {
    this.engine = engine;
    this.recorder = recorder;
    this.room = room;
    this.hashEvery = hashEvery;
  }

  /** Instructions at which the next hash is due: slices end there. */
  get nextHash(): number {
    const { hashEvery } = this;
    return hashEvery > 0 ? (Math.floor(this.engine.instructions / hashEvery) + 1) * hashEvery : Infinity;
  }

  /** A slice that was to end no later than `nextHash` is over. */
  afterSlice(nextHash: number): void {
    const { engine, recorder, room } = this;
    if (engine.instructions === nextHash && engine.instant.sequence === 0) this.markHash();
    if (room.now() - this.flushed < (recorder.quiet ? FLUSH_QUIET : FLUSH_EVERY)) return;
    recorder.flush(engine.instant, engine.time);
    this.flushed = room.now();
  }

  /**
   * Ends the recording, with a hash, so that every one can be verified, however short.
   * @param inPast the machine is not at the recording's end, which stays where it is
   */
  close(inPast: boolean): void {
    const { engine, recorder } = this;
    if (inPast) return recorder.close(recorder.end, recorder.endTime);
    if (this.hashEvery > 0 && recorder.recordsToFile) this.markHash();
    recorder.close(engine.instant, engine.time);
  }

  private markHash(): void {
    const { engine } = this;
    this.recorder.mark(engine.instant, engine.time, stateHash(engine));
  }
}
