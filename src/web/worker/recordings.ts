import { type ByteSource, readyBytes } from '../../bytes/source.ts';
import { GuestInfo } from '../../debug/guest-info.ts';
import { browserRegionCompiler } from '../../host/browser/region-compiler.ts';
import { createHostRoom } from '../../host/room.ts';
import { BlobSource, HttpSource } from '../../host/sources.ts';
import { neededImages } from '../../machine/session/images.ts';
import type { ImageFiles } from '../../machine/session/options.ts';
import { readRecording } from '../../record/reader.ts';
import type { Recording } from '../../record/recording.ts';
import { type OpenOptions, openTimeline, type RecordedTimeline } from '../../timeline/open.ts';
import type { News, RecordingFacts, RecordingFile, SiteFile } from './protocol.ts';
import { Sampler } from './sampler.ts';
import { Telling } from './telling.ts';

/** Stretches that the index of a recording is made in, and the shortest of them in instructions. */
const STRETCHES = 3000;
const SHORTEST = 200_000;
/** Milliseconds between reports of how far it is. */
const REPORT_EVERY = 100;

/** A recording whose header was read. */
export interface Inspected {
  readonly recording: Recording;
  readonly facts: RecordingFacts;
}

/** Reads what a recording is. @throws RecordingError, what reading throws */
export async function inspectRecording(file: RecordingFile): Promise<Inspected> {
  const source: ByteSource = file instanceof Blob ? new BlobSource(file) : await HttpSource.open(file.url);
  const recording = await readRecording(source);
  const { damage, header, images } = recording;
  const wanted = neededImages(header).filter(({ hash }) => !images.has(hash));
  return {
    recording,
    facts: { id: header.id, size: source.size, wanted, ...(damage !== undefined && { damage }) },
  };
}

/** Files by what they are in this recording. */
function filesOf({ header }: Recording, files: readonly SiteFile[]): ImageFiles {
  const found: Record<string, SiteFile> = {};
  for (const { role, hash } of neededImages(header)) {
    const file = files.find((known) => known.hash === hash);
    if (file !== undefined && role !== 'disk') found[role] = file;
  }
  return {
    ...found,
    findSnapshot(hash) {
      const base = files.find((known) => known.hash === hash);
      return base && readyBytes(base.bytes);
    },
  };
}

/** Opens a recording at its beginning. @throws ConfigError naming the file that is missing */
export async function openRecording(
  { recording }: Inspected,
  files: readonly SiteFile[],
  options: OpenOptions = {},
): Promise<RecordedTimeline> {
  const { timeline } = await openTimeline(recording, filesOf(recording, files), createHostRoom(), options);
  return timeline;
}

/** A live machine that goes on from where a recording is. */
export const branchOf = (timeline: RecordedTimeline): ReturnType<RecordedTimeline['branch']> =>
  timeline.branch({ clock: 'host', translator: { compiler: browserRegionCompiler() } });

/** Replays a recording from its beginning to its end and tells what happened. */
export async function indexRecording(
  inspected: Inspected,
  files: readonly SiteFile[],
  tell: (news: News) => void,
): Promise<void> {
  const room = createHostRoom();
  const telling = new Telling(tell);
  let sampler: Sampler | undefined;
  const { ports } = inspected.recording.header;
  const timeline = await openRecording(inspected, files, {
    straight: true,
    spacing: Infinity,
    output: (port, bytes) => sampler?.output(ports.indexOf(port), bytes),
  });
  sampler = new Sampler(timeline.session, new GuestInfo(timeline.view), telling, room.now, false);
  const { begin, end } = timeline;
  const length = Math.max(1, end.instructions - begin.instructions);
  const stretch = Math.max(SHORTEST, Math.ceil(length / STRETCHES));
  let reportedAt = room.now();
  for (let at = begin.instructions; at < end.instructions; ) {
    at = Math.min(at + stretch, end.instructions);
    await timeline.seek(at === end.instructions ? end : at);
    sampler.sample();
    if (room.now() - reportedAt < REPORT_EVERY) continue;
    reportedAt = room.now();
    telling.flush();
    tell({ kind: 'index', done: (at - begin.instructions) / length });
    await room.yieldToHost();
  }
  telling.flush();
  tell({ kind: 'index', done: 1 });
  await timeline.close();
}
