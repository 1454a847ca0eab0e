/** A stretch of a script: offsets of its first character and of the one after its last. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A script is wrong; the message names line and column and shows the place. */
export class ScriptError extends Error {
  override name = 'ScriptError';
  /** What is wrong, without the place. */
  readonly reason: string;
  /** Counted from 1. */
  readonly line: number;
  readonly column: number;

  constructor(reason: string, script: string, { start, end }: Span, file = 'script') {
    const lineStart = script.lastIndexOf('\n', start - 1) + 1;
    const lineEnd = script.indexOf('\n', start);
    const text = script.slice(lineStart, lineEnd < 0 ? undefined : lineEnd);
    const line = script.slice(0, start).split('\n').length;
    const column = start - lineStart + 1;
    const marked = Math.max(1, Math.min(end, lineStart + text.length) - start);
    super(
      `${file}:${line}:${column}: ${reason}\n${text}\n${text.slice(0, column - 1).replace(/[^\t]/g, ' ')}${'~'.repeat(marked)}`,
    );
    this.reason = reason;
    this.line = line;
    this.column = column;
  }
}

/** The known name closest to one that is not known, for "did you mean". */
function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const distance = editDistance(name, candidate, least);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** `: did you mean "x"?`, or nothing. */
export function suggestion(name: string, known: Iterable<string>): string {
  const best = nearest(name, known);
  return best === undefined ? '' : `; did you mean ${best}?`;
}

/** Levenshtein distance, given up at `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + Number(a[i - 1] !== b[j - 1])));
    }
    if (Math.min(...next) >= limit) return limit;
    row = next;
  }
  return row[b.length]!;
}
