import type { RecordSink } from '../../record/format.ts';
import { RecordingWriter } from '../../record/writer.ts';
import type { Timeline } from '../../timeline/timeline.ts';

/** Checkpoints of a recording at most, and the least instructions between two: landings are about half of that away. */
const MOST = 128;
const CLOSEST = 20_000_000;

/** Checkpoints of a replay on its way, in a file that others can open while it grows; its format is that of src/timeline/kept-checkpoints.ts. */
export class GrowingCheckpoints {
  private readonly timeline: Timeline;
  private readonly writer: RecordingWriter;
  private readonly distance: number;
  private last: number;
  private contents = new Blob();
  private fresh: BlobPart[] = [];
  private count = 0;

  /** @param timeline at its beginning @param closest least instructions between two */
  constructor(timeline: Timeline, closest = CLOSEST) {
    this.timeline = timeline;
    const { begin, end, log } = timeline;
    this.distance = Math.max(closest, (end.instructions - begin.instructions) / MOST);
    this.last = begin.instructions;
    const sink: RecordSink = { write: (bytes) => void this.fresh.push(bytes.slice() as Uint8Array<ArrayBuffer>) };
    this.writer = new RecordingWriter(sink, log.header);
    this.writer.reached(end, log.endTime);
  }

  /** Takes one here, if the last one is far enough away. */
  maybeTake(): void {
    const { timeline } = this;
    const { instructions } = timeline.at;
    if (instructions - this.last < this.distance) return;
    this.last = instructions;
    timeline.mark();
    const { checkpoints } = timeline;
    this.writer.checkpoint(checkpoints.pack(checkpoints.before(timeline.at)));
    this.count++;
  }

  /** What was taken so far, as a whole file; undefined when nothing is new. */
  take(): Blob | undefined {
    if (this.count === 0) return undefined;
    this.count = 0;
    this.contents = new Blob([this.contents, ...this.fresh]);
    this.fresh = [];
    return new Blob([this.contents, this.writer.ending() as Uint8Array<ArrayBuffer>]);
  }
}
