import { closeSync, ftruncateSync, openSync, realpathSync, writeSync } from 'node:fs';
import type { NotedInstant } from '../../record/format.ts';
import { type RecordingTail, readTail } from '../../record/recording-chunks.ts';
import { RecordingWriter } from '../../record/writer.ts';
import { exclusively } from './exclusive.ts';
import { openSource } from './file-source.ts';

/** Bytes written at once at most: what is smaller is there wholly or not at all when the process is killed. */
const AT_ONCE = 2 ** 20;

/**
 * Goes on with a recording that ended in order: what is written takes the place of its index, which follows again.
 * @throws RecordingError when it takes nothing more; system errors
 */
export async function appendToRecording(
  path: string,
  write: (writer: RecordingWriter, tail: RecordingTail) => void,
): Promise<void> {
  await exclusively(`append ${realpathSync(path)}`, async () => {
    const source = openSource(path);
    try {
      const tail = await readTail(source);
      const fd = openSync(path, 'r+');
      try {
        let end = tail.offset;
        let waiting: Uint8Array[] = [];
        let size = 0;
        const put = (): void => {
          const bytes = Buffer.concat(waiting);
          for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, end + at);
          end += bytes.length;
          waiting = [];
          size = 0;
        };
        const writer = new RecordingWriter(
          {
            write(bytes) {
              waiting.push(bytes.slice());
              size += bytes.length;
              if (size >= AT_ONCE) put();
            },
            close: put,
          },
          tail.header,
          tail,
        );
        write(writer, tail);
        writer.close();
        ftruncateSync(fd, end);
      } finally {
        closeSync(fd);
      }
    } finally {
      source.close?.();
    }
  });
}

/** Puts marks into a recording, instead of those it has. @throws as {@link appendToRecording} */
export const storeMarks = (path: string, marks: readonly NotedInstant[]): Promise<void> =>
  appendToRecording(path, (writer) => writer.marks(marks));
