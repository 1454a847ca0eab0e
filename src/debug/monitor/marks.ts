import { PC } from '../../machine/view/machine-view.ts';
import { formatInstant } from '../../record/divergence.ts';
import type { NotedInstant } from '../../record/format.ts';
import { DebugError } from '../target.ts';
import type { MonitorCommand } from './monitor.ts';

/** A mark by its number, from 1. @throws DebugError when there is none */
export function markNumbered(marks: readonly NotedInstant[], number: string | undefined): NotedInstant {
  const mark = /^\d+$/.test(number ?? '') ? marks[Number(number) - 1] : undefined;
  if (mark !== undefined) return mark;
  throw new DebugError(
    marks.length === 0
      ? 'the recording has no marks'
      : `there is no mark ${number ?? ''}: marks lists those from 1 to ${marks.length}`,
  );
}

/** The marks of a recording, a line each. */
export const marksText = (marks: readonly NotedInstant[]): string =>
  marks.length === 0
    ? 'the recording has no marks\n'
    : marks.map(({ at, note }, i) => `${i + 1}  ${formatInstant(at)}  ${note}\n`).join('');

/** Commands for places in time that are kept with the recording. */
export const MARKS: readonly MonitorCommand[] = [
  {
    name: 'marks',
    help: "the recording's marks; seek mark N goes to one",
    run: ({ target }) => marksText(target.marks),
  },
  {
    name: 'mark',
    usage: '[NOTE]',
    help: 'keep this instant with the recording, under a name',
    run: async ({ target, guestInfo, hart }, words) => {
      const note = words.join(' ') || guestInfo.describe(target.readRegister(hart, PC) ?? 0n);
      await target.mark({ at: target.mover.at, time: target.engine.time, note });
      return marksText(target.marks);
    },
  },
  {
    name: 'unmark',
    usage: 'N',
    help: 'take the mark of this number away',
    run: async ({ target }, [number]) => {
      await target.unmark(target.marks.indexOf(markNumbered(target.marks, number)));
      return marksText(target.marks);
    },
  },
];
