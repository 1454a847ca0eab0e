import type { Breakpoint, BreakpointKind } from '../../timeline/breakpoints.ts';
import { condition, logMessage } from '../expression/scope.ts';
import type { GuestInfo } from '../guest-info.ts';
import { DebugError } from '../target.ts';
import type { Arguments } from './arguments.ts';
import { HitCount } from './hit-count.ts';

/** The kinds of breakpoints that clients set separately, each request replacing all of its kind. */
type Group = `source ${string}` | 'function' | 'instruction' | 'data';

interface Placed {
  readonly id: number;
  readonly point: Breakpoint;
  readonly hits?: HitCount;
}

/** A breakpoint whose place is not known yet. */
interface Missing {
  readonly id: number;
  readonly group: Group;
  readonly wish: Arguments;
  readonly make: (wish: Arguments) => Omit<Placed, 'id'> & { readonly line?: number };
}

/** A breakpoint as the protocol describes it. */
interface Description {
  readonly id: number;
  readonly verified: boolean;
  readonly message?: string;
  readonly line?: number;
  readonly instructionReference?: string;
}

const DATA_ACCESS: Readonly<Record<string, BreakpointKind>> = { read: 'read', write: 'write', readWrite: 'access' };
const DATA_ID = /^(0x[0-9a-f]+),(\d{1,4})$/;

/** Breakpoints of a DAP client. */
export class Breakpoints {
  private readonly groups = new Map<Group, Placed[]>();
  private readonly guestInfo: GuestInfo;
  private readonly log: (text: string) => void;
  private lastId = 0;
  private missing: Missing[] = [];

  /** @param log prints the messages of log points */
  constructor(guestInfo: GuestInfo, log: (text: string) => void) {
    this.guestInfo = guestInfo;
    this.log = log;
  }

  /** Every point that is in force. */
  points(): Breakpoint[] {
    return [...this.groups.values()].flat().map((p) => p.point);
  }

  /** Points whose hits must be counted from the beginning before they can stop at the right ones. */
  uncounted(): readonly HitCount[] {
    return [...this.groups.values()].flat().flatMap(({ hits }) => (hits && !hits.counted ? [hits] : []));
  }

  /** Number of the breakpoint a point is of. */
  idOf(point: Breakpoint): number | undefined {
    return [...this.groups.values()].flat().find((p) => p.point === point)?.id;
  }

  source(args: Arguments): object {
    const source = args.object('source');
    const path = source.optionalText('path') ?? source.text('name');
    return this.set(`source ${path}`, args.list('breakpoints'), (b) => {
      const wanted = b.number('line');
      const found = this.guestInfo.place(path, wanted);
      if (!found)
        throw new DebugError(
          `no code is known for line ${wanted} of ${path}: give its ELF file with debug information (--symbols)`,
        );
      return { ...this.execute(found.address, b), line: found.line };
    });
  }

  functions(args: Arguments): object {
    return this.set('function', args.list('breakpoints'), (b) => {
      const name = b.text('name');
      const address = this.guestInfo.address(name);
      if (address === undefined) throw new DebugError(`no function ${name} is known`);
      return this.execute(address, b);
    });
  }

  instructions(args: Arguments): object {
    return this.set('instruction', args.list('breakpoints'), (b) =>
      this.execute(BigInt.asUintN(64, b.address('instructionReference') + BigInt(b.optionalNumber('offset') ?? 0)), b),
    );
  }

  data(args: Arguments): object {
    return this.set('data', args.list('breakpoints'), (b) => {
      const m = DATA_ID.exec(b.text('dataId'));
      if (!m) throw new DebugError(`"${b.text('dataId')}" is no data breakpoint of ours`);
      const kind = DATA_ACCESS[b.optionalText('accessType') ?? 'write'];
      if (!kind) throw new DebugError('accessType: expected read, write or readWrite');
      const start = BigInt(m[1]);
      return this.met({ kind, start, end: start + BigInt(m[2]) }, b);
    });
  }

  /** Looks again for what was not found before: a program's libraries come with it. @param changed hears of those that are found now */
  refresh(changed: (found: object) => void): void {
    for (const missing of [...this.missing]) {
      const found = this.place(missing);
      if (found.verified) changed(found);
    }
  }

  private set(group: Group, wanted: readonly Arguments[], make: Missing['make']): object {
    this.groups.set(group, []);
    this.missing = this.missing.filter((m) => m.group !== group);
    const described = wanted.map((wish) => {
      const missing: Missing = { id: ++this.lastId, group, wish, make };
      this.missing.push(missing);
      return this.place(missing);
    });
    return { breakpoints: described };
  }

  /** Puts a breakpoint where it belongs, if that is known. */
  private place(missing: Missing): Description {
    const { id, group, wish, make } = missing;
    try {
      const { line, ...made } = make(wish);
      this.groups.get(group)?.push({ id, ...made });
      this.missing = this.missing.filter((m) => m !== missing);
      const instructionReference = `0x${made.point.start.toString(16)}`;
      return { id, verified: true, instructionReference, ...(line === undefined ? {} : { line }) };
    } catch (e) {
      if (!(e instanceof DebugError)) throw e;
      return { id, verified: false, message: e.message };
    }
  }

  private execute(address: bigint, b: Arguments): Omit<Placed, 'id'> {
    return this.met({ kind: 'execute', start: address, end: address + 1n }, b);
  }

  /** A point with the condition, hit count and log message of a breakpoint. */
  private met(point: Breakpoint, b: Arguments): Omit<Placed, 'id'> {
    const text = b.optionalText('condition');
    const holds = text ? condition(text, this.guestInfo) : undefined;
    const counted = b.optionalText('hitCondition');
    const hits = counted ? new HitCount({ ...point, ...(holds && { when: holds }) }, counted) : undefined;
    const message = b.optionalText('logMessage');
    const says = message ? logMessage(message, this.guestInfo) : undefined;
    if (!holds && !hits && !says) return { point };
    return {
      ...(hits && { hits }),
      point: {
        ...point,
        when: (view, hart) => {
          if (holds && !holds(view, hart)) return false;
          if (hits && !hits.stops(view.instant.instructions)) return false;
          if (!says) return true;
          this.log(`${view.instant.instructions}: ${says(view, hart)}\n`);
          return false;
        },
      },
    };
  }
}
