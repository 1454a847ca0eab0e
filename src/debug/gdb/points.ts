import { fromHex } from '../../bytes/hex.ts';
import type { Breakpoint, BreakpointKind } from '../../timeline/breakpoints.ts';
import { agentCondition } from './agent.ts';
import { ERROR } from './packets.ts';
import { registerByNumber } from './registers.ts';

const MAX_POINTS = 60;
const KINDS: readonly BreakpointKind[] = ['execute', 'execute', 'write', 'read', 'access'];
/** Type of hardware breakpoints. */
const HARDWARE = 1;

interface Inserted {
  readonly type: number;
  readonly point: Breakpoint;
}

/** What gdb has inserted by `Z` packets. */
export class InsertedPoints {
  private readonly points = new Map<string, Inserted>();

  list(): Breakpoint[] {
    return [...this.points.values()].map(({ point }) => point);
  }

  clear(): void {
    this.points.clear();
  }

  /** @param rest of the packet: type, address, length or kind, conditions @returns the answer */
  insert(rest: string): string {
    const [head, ...conditions] = rest.split(';');
    const m = /^([0-9]),([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,8})$/.exec(head);
    if (!m) return ERROR.argument;
    const type = Number(m[1]);
    if (type > 4) return '';
    const key = `${type},${m[2]}`;
    if (this.points.size >= MAX_POINTS && !this.points.has(key)) return ERROR.full;
    const start = BigInt(`0x${m[2]}`);
    const length = type < 2 ? 1n : BigInt(Math.max(1, parseInt(m[3], 16)));
    const tests: NonNullable<Breakpoint['when']>[] = [];
    for (const c of conditions) {
      if (c.startsWith('cmds:')) return ERROR.argument;
      // X len,expr — several expressions may follow each other
      const x = /^X([0-9a-fA-F]+),([0-9a-fA-F]*)/.exec(c);
      const code = x ? fromHex(x[2]) : undefined;
      if (!x || code?.length !== parseInt(x[1], 16)) return ERROR.argument;
      tests.push(
        agentCondition(code, (view, hart, n) => {
          const id = registerByNumber(n);
          return id === undefined ? undefined : view.readRegister(hart, id);
        }),
      );
    }
    this.points.set(key, {
      type,
      point: {
        kind: KINDS[type],
        start,
        end: start + length,
        ...(tests.length > 0 && { when: (view, hart) => tests.some((t) => t(view, hart)) }),
      },
    });
    return 'OK';
  }

  remove(rest: string): string {
    const m = /^([0-9]),([0-9a-fA-F]{1,16}),/.exec(rest);
    if (!m) return ERROR.argument;
    this.points.delete(`${m[1]},${m[2]}`);
    return 'OK';
  }

  /** What a stop reply says of a point that was met. @param address that was touched */
  reason(point: Breakpoint, address: bigint | undefined): string {
    if (point.kind !== 'execute') {
      const name = { write: 'watch', read: 'rwatch', access: 'awatch' }[point.kind];
      return `${name}:${(address ?? point.start).toString(16)};`;
    }
    const hard = [...this.points.values()].some((p) => p.point === point && p.type === HARDWARE);
    return hard ? 'hwbreak:;' : 'swbreak:;';
  }
}
