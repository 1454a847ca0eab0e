import { type ByteSource, readyBytes } from '../../bytes/source.ts';
import { browserRegionCompiler } from '../../host/browser/region-compiler.ts';
import { createHostRoom } from '../../host/room.ts';
import { BlobSource, HttpSource } from '../../host/sources.ts';
import { neededImages } from '../../machine/session/images.ts';
import type { DiskOption, ImageFiles } from '../../machine/session/options.ts';
import { isDamage } from '../../record/damage.ts';
import { readRecording } from '../../record/reader.ts';
import type { Recording } from '../../record/recording.ts';
import { ChunkedBackend } from '../../storage/index.ts';
import { adoptCheckpoints } from '../../timeline/kept-checkpoints.ts';
import { type OpenOptions, openTimeline, type RecordedTimeline } from '../../timeline/open.ts';
import type { Timeline } from '../../timeline/timeline.ts';
import type { RecordingFacts, RecordingFile, RemoteDisk, SiteFile } from './protocol.ts';

/** Bytes of a disk that are fetched at a time, and how many are kept in memory. */
const DISK_CHUNK = 256 * 1024;
const DISK_MEMORY = 64 * 2 ** 20;

/** A recording whose header was read. */
export interface Inspected {
  readonly recording: Recording;
  readonly facts: RecordingFacts;
}

/** Reads what a recording is. @throws RecordingError, Error saying what to do when it cannot be fetched */
export async function inspectRecording(file: RecordingFile): Promise<Inspected> {
  const { source, whole } =
    file instanceof Blob ? { source: new BlobSource(file), whole: false } : await fetched(file.url);
  const recording = await readRecording(source);
  const { damage, header, images, marks } = recording;
  const wanted = neededImages(header).filter(({ hash }) => !images.has(hash));
  const facts = { id: header.id, size: source.size, wanted, whole, marks };
  return { recording, facts: { ...facts, ...(damage !== undefined && { damage }) } };
}

/** A recording on a server, in ranges where the server has them. */
async function fetched(url: string): Promise<{ readonly source: ByteSource; readonly whole: boolean }> {
  const response = await fetch(url, { headers: { Range: 'bytes=0-0' } }).catch(() => undefined);
  if (response === undefined)
    throw new Error(
      `${url} cannot be fetched: the server is not reachable, or does not let other sites read it (CORS). Download the recording and drop it here.`,
    );
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`${url}: the server answered ${response.status}. Check the address of the recording.`);
  }
  if (response.status === 200) return { source: new BlobSource(await response.blob()), whole: true };
  await response.body?.cancel();
  return { source: await HttpSource.open(url), whole: false };
}

/** Files by what they are in this recording. */
function filesOf({ header }: Recording, files: readonly SiteFile[], disks: readonly RemoteDisk[]): ImageFiles {
  const found: Record<string, SiteFile> = {};
  for (const { role, hash } of neededImages(header)) {
    const file = files.find((known) => known.hash === hash);
    if (file !== undefined && role !== 'disk') found[role] = file;
  }
  return {
    ...found,
    disks: disks.map(diskOf),
    findSnapshot(hash) {
      const base = files.find((known) => known.hash === hash);
      return base && readyBytes(base.bytes);
    },
  };
}

/** A disk on a server, fetched where the guest reads it. */
function diskOf({ file, url, size, hash }: RemoteDisk): DiskOption {
  let source: Promise<HttpSource> | undefined;
  const fetch = async (index: number): Promise<Uint8Array> => {
    source ??= HttpSource.open(url);
    return (await source).read(index * DISK_CHUNK, Math.min(DISK_CHUNK, size - index * DISK_CHUNK));
  };
  return { file, backend: new ChunkedBackend({ size, hash, chunkSize: DISK_CHUNK, fetch }, DISK_MEMORY) };
}

/** Opens a recording at its beginning. @throws ConfigError naming the file that is missing */
export async function openRecording(
  { recording }: Inspected,
  files: readonly SiteFile[],
  disks: readonly RemoteDisk[],
  options: OpenOptions = {},
): Promise<RecordedTimeline> {
  const { timeline } = await openTimeline(recording, filesOf(recording, files, disks), createHostRoom(), options);
  return timeline;
}

/** Takes in checkpoints that were kept of a recording. @returns whether they are of this one, and whole */
export async function adoptFile(timeline: Timeline, file: Blob): Promise<boolean> {
  try {
    return adoptCheckpoints(timeline, await readRecording(new BlobSource(file)));
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}

/** A live machine that goes on from where a recording is. */
export const branchOf = (timeline: RecordedTimeline): ReturnType<RecordedTimeline['branch']> =>
  timeline.branch({ clock: 'host', translator: { compiler: browserRegionCompiler() } });
