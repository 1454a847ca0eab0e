import { fstatSync, statSync } from 'node:fs';

/** What standard input is, for deciding what a guest's input can be. */
export type InputKind = 'terminal' | 'stream' | 'nothing';

/** How long an empty stream has to say so, in milliseconds. */
const PATIENCE = 50;

/** Whether a stream ends at once, with nothing in it. What it holds stays unread. */
function endsAtOnce(stream: NodeJS.ReadStream): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (empty: boolean): void => {
      clearTimeout(timer);
      stream.off('readable', onReadable).off('end', onEnd).off('error', onEnd);
      resolve(empty);
    };
    const onEnd = (): void => finish(true);
    const onReadable = (): void => {
      if (stream.readableLength > 0) finish(false);
      // Reading nothing is what makes a stream notice its end.
      else stream.read();
    };
    const timer = setTimeout(() => finish(false), PATIENCE);
    stream.on('readable', onReadable).on('end', onEnd).on('error', onEnd);
  });
}

/**
 * A terminal, a stream (pipe, file, socket) that something comes from, or nothing: closed, empty, or the null device. With nothing, no
 * event enters the machine, so that a run ends in the same state every time.
 */
export async function inputKind(): Promise<InputKind> {
  if (process.stdin.isTTY) return 'terminal';
  try {
    const found = fstatSync(0);
    if (found.isCharacterDevice() && found.rdev === statSync('/dev/null').rdev) return 'nothing';
  } catch {
    return 'nothing';
  }
  return (await endsAtOnce(process.stdin)) ? 'nothing' : 'stream';
}
