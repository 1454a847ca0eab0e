import { GuestInfo } from '../../debug/guest-info.ts';
import { Origins } from '../../debug/origin.ts';
import { HistoryDatabase } from '../../history/sql.ts';
import { TABLES } from '../../history/tables/index.ts';
import type { Timeline } from '../../timeline/timeline.ts';
import { openRecording, parseDestination, type RecordingFlags } from '../recordings.ts';
import { loadSqlite } from '../sqlite.ts';

/** An error of the client's, answered as such. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
}

/** A recording that was opened, with what is known of it. */
export interface Opened {
  readonly file: string;
  readonly timeline: Timeline;
  readonly guest: GuestInfo;
  readonly origins: Origins;
}

/** What a client of `hindsight serve` and `hindsight mcp` has open: one recording at a time. */
export class ToolSession {
  private opened: Opened | undefined;
  private database: HistoryDatabase | undefined;
  private readonly flags: RecordingFlags;

  constructor(flags: RecordingFlags) {
    this.flags = flags;
  }

  /** Opens a recording in place of the one before, at its end. */
  async open(file: string): Promise<Opened> {
    const { timeline } = await openRecording(file, this.flags);
    this.close();
    await timeline.seek(timeline.end);
    const guest = new GuestInfo(timeline.view);
    this.opened = { file, timeline, guest, origins: new Origins(timeline, guest) };
    return this.opened;
  }

  /** @throws ToolError when nothing is open */
  get recording(): Opened {
    if (this.opened === undefined) throw new ToolError('no recording is open: call open with the path of one');
    return this.opened;
  }

  /** The recording, at an instant if one is named; otherwise where it is. */
  async at(instant: string | undefined): Promise<Opened> {
    const { recording } = this;
    if (instant !== undefined) await recording.timeline.seek(parseDestination('instant', instant));
    return recording;
  }

  /** The histories of the recording as a database. */
  async histories(): Promise<HistoryDatabase> {
    const { timeline, guest } = this.recording;
    const kernel = guest.kernel();
    if (kernel === undefined)
      throw new ToolError('no Linux kernel with symbols and type information is in the machine at this instant');
    return (this.database ??= new HistoryDatabase(await loadSqlite(), timeline, kernel, TABLES));
  }

  close(): void {
    this.database?.close();
    this.database = undefined;
    this.opened = undefined;
  }
}
