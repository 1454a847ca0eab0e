import type { Breakpoint, BreakpointKind } from '../../timeline/breakpoints.ts';
import { condition, logMessage } from '../expression.ts';
import type { GuestInfo } from '../guest-info.ts';
import { DebugError } from '../target.ts';
import type { Arguments } from './arguments.ts';

/** The kinds of breakpoints that clients set separately, each request replacing all of its kind. */
type Group = `source ${string}` | 'function' | 'instruction' | 'data';

interface Placed {
  readonly id: number;
  readonly point: Breakpoint;
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

  /** @param log prints the messages of log points */
  constructor(guestInfo: GuestInfo, log: (text: string) => void) {
    this.guestInfo = guestInfo;
    this.log = log;
  }

  /** Every point that is in force. */
  points(): Breakpoint[] {
    return [...this.groups.values()].flat().map((p) => p.point);
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
      return { point: this.execute(found.address, b), line: found.line };
    });
  }

  functions(args: Arguments): object {
    return this.set('function', args.list('breakpoints'), (b) => {
      const name = b.text('name');
      const address = this.guestInfo.address(name);
      if (address === undefined) throw new DebugError(`no function ${name} is known`);
      return { point: this.execute(address, b) };
    });
  }

  instructions(args: Arguments): object {
    return this.set('instruction', args.list('breakpoints'), (b) => ({
      point: this.execute(
        BigInt.asUintN(64, b.address('instructionReference') + BigInt(b.optionalNumber('offset') ?? 0)),
        b,
      ),
    }));
  }

  data(args: Arguments): object {
    return this.set('data', args.list('breakpoints'), (b) => {
      const m = DATA_ID.exec(b.text('dataId'));
      if (!m) throw new DebugError(`"${b.text('dataId')}" is no data breakpoint of ours`);
      const kind = DATA_ACCESS[b.optionalText('accessType') ?? 'write'];
      if (!kind) throw new DebugError('accessType: expected read, write or readWrite');
      const start = BigInt(m[1]);
      return { point: { kind, start, end: start + BigInt(m[2]), ...this.when(b) } };
    });
  }

  private set(
    group: Group,
    wanted: readonly Arguments[],
    place: (b: Arguments) => { point: Breakpoint; line?: number },
  ): object {
    const placed: Placed[] = [];
    const described = wanted.map((b): Description => {
      const id = ++this.lastId;
      try {
        const { point, line } = place(b);
        placed.push({ id, point });
        return {
          id,
          verified: true,
          instructionReference: `0x${point.start.toString(16)}`,
          ...(line === undefined ? {} : { line }),
        };
      } catch (e) {
        if (!(e instanceof DebugError)) throw e;
        return { id, verified: false, message: e.message };
      }
    });
    this.groups.set(group, placed);
    return { breakpoints: described };
  }

  private execute(address: bigint, b: Arguments): Breakpoint {
    return { kind: 'execute', start: address, end: address + 1n, ...this.when(b) };
  }

  /** Condition, hit count and log message of a breakpoint in one. */
  private when(b: Arguments): Pick<Breakpoint, 'when'> {
    const text = b.optionalText('condition');
    const holds = text ? condition(text, this.guestInfo) : undefined;
    const count = b.optionalText('hitCondition');
    if (count !== undefined && !/^\d+$/.test(count))
      throw new DebugError(`hit condition "${count}": a number was expected`);
    const message = b.optionalText('logMessage');
    const says = message ? logMessage(message, this.guestInfo) : undefined;
    if (!holds && count === undefined && !says) return {};
    let hits = 0;
    return {
      when: (view, hart) => {
        if (holds && !holds(view, hart)) return false;
        if (count !== undefined && ++hits < Number(count)) return false;
        if (!says) return true;
        this.log(`${view.instant.instructions}: ${says(view, hart)}\n`);
        return false;
      },
    };
  }
}
