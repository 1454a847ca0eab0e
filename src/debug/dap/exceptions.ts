import { SIGNALS } from '../../linux/flags.ts';
import { X } from '../../machine/view/machine-view.ts';
import type { Breakpoint } from '../../timeline/breakpoints.ts';
import type { GuestInfo } from '../guest-info.ts';
import type { Arguments } from './arguments.ts';

const A0 = 10;

/** What execution can stop at besides breakpoints, and the kernel's function that it begins with. */
const FILTERS = [
  {
    filter: 'signal',
    label: 'Signals',
    description: 'A process gets a signal because of what it did (SIGSEGV, SIGILL, …), or that ends it',
    default: true,
    functions: ['force_sig_fault'],
  },
  {
    filter: 'oops',
    label: 'Kernel oops',
    description: 'The kernel itself failed: a bad access, a BUG()',
    default: true,
    functions: ['die'],
  },
  {
    filter: 'panic',
    label: 'Kernel panic',
    description: 'The kernel gives up',
    default: true,
    functions: ['panic'],
  },
] as const;

type Filter = (typeof FILTERS)[number]['filter'];

/** What clients are offered. */
export const EXCEPTION_FILTERS = FILTERS.map(({ filter, label, description, default: on }) => ({
  filter,
  label,
  description,
  default: on,
}));

/** What happened where execution stopped, for `exceptionInfo`. */
export interface ExceptionNote {
  readonly id: string;
  readonly text: string;
}

/** Signals, oopses and panics that a client stops at. */
export class Exceptions {
  /** What a client that says nothing gets. */
  private chosen: ReadonlySet<string> = new Set(FILTERS.filter((f) => f.default).map(({ filter }) => filter));
  private readonly guestInfo: GuestInfo;

  constructor(guestInfo: GuestInfo) {
    this.guestInfo = guestInfo;
  }

  set(args: Arguments): object {
    const named = args.texts('filters');
    const withOptions = args.list('filterOptions').map((o) => o.text('filterId'));
    this.chosen = new Set([...named, ...withOptions]);
    return {
      breakpoints: [...named, ...withOptions].map((name) => {
        const known = FILTERS.some(({ filter }) => filter === name);
        return known ? { verified: true } : { verified: false, message: `there is no filter ${name}` };
      }),
    };
  }

  wants(filter: Filter): boolean {
    return this.chosen.has(filter);
  }

  /** Points at which what was chosen begins. Made anew for each move: the kernel may not be there yet. @param inProcess a process tells of its signals by itself */
  points(inProcess: boolean): readonly Breakpoint[] {
    const kernel = this.chosen.size > 0 ? this.guestInfo.kernel() : undefined;
    if (!kernel) return [];
    return FILTERS.filter(({ filter }) => this.wants(filter) && !(inProcess && filter === 'signal')).flatMap(
      ({ functions }) =>
        functions.flatMap((name): Breakpoint[] => {
          const start = kernel.symbols.find(name)?.address;
          return start === undefined ? [] : [{ kind: 'execute', start, end: start + 1n }];
        }),
    );
  }

  /** What a stop at an address is. */
  note(pc: bigint, read: (register: ReturnType<typeof X>) => bigint | undefined): ExceptionNote | undefined {
    const kernel = this.guestInfo.kernel();
    const found = FILTERS.find(({ functions }) => functions.some((name) => kernel?.symbols.find(name)?.address === pc));
    if (found === undefined) return undefined;
    if (found.filter === 'signal') return signalNote(Number(read(X(A0)) ?? 0n));
    const text = found.filter === 'panic' ? kernel?.text(read(X(A0)) ?? 0n, 256) : undefined;
    return { id: found.filter, text: text ? `${found.label}: ${text}` : found.label };
  }
}

/** A signal by its number. */
export const signalNote = (number: number): ExceptionNote => ({
  id: `SIG${SIGNALS[number]?.replace(/^SIG/, '') ?? number}`,
  text: `signal ${number}`,
});
