import { compareInstants } from './door.ts';
import type { NotedInstant } from './format.ts';

/** Marks with one more, in order of time; one at the same instant is replaced. */
export const withMark = (marks: readonly NotedInstant[], mark: NotedInstant): readonly NotedInstant[] =>
  [...marks.filter(({ at }) => compareInstants(at, mark.at) !== 0), mark].sort((a, b) => compareInstants(a.at, b.at));
