import { fstatSync, statSync } from 'node:fs';

/** What standard input is, for deciding what a guest's input can be. */
export type InputKind = 'terminal' | 'stream' | 'nothing';

/**
 * A terminal, a stream that can end (pipe, file, socket), or nothing (closed, or the null device). With nothing, no event
 * enters the machine, so that a run ends in the same state every time.
 */
export function inputKind(): InputKind {
  if (process.stdin.isTTY) return 'terminal';
  try {
    const found = fstatSync(0);
    if (found.isCharacterDevice()) return found.rdev === statSync('/dev/null').rdev ? 'nothing' : 'stream';
    return 'stream';
  } catch {
    return 'nothing';
  }
}
