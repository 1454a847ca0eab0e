import { registerNamed } from '../../debug/expression/registers.ts';
import { GuestInfo } from '../../debug/guest-info.ts';
import { parseAddress } from '../../debug/monitor/commands.ts';
import { type AccessOrigin, Origins } from '../../debug/origin.ts';
import { originJson, originText } from '../../debug/origin-text.ts';
import { guestOfTask } from '../../debug/process-symbols.ts';
import { DebugError } from '../../debug/target.ts';
import { findTask } from '../../linux/tasks.ts';
import type { Timeline } from '../../timeline/timeline.ts';
import { CliError, EXIT } from '../exit.ts';
import { explained, openAt, parsePid, parsePlace, type WhoseFlags } from '../recordings.ts';
import { parseInteger } from '../values.ts';

/** Flags of `hindsight who-wrote` and `hindsight who-reads`. */
export interface OriginFlags extends WhoseFlags {
  readonly physical?: boolean;
  readonly count?: string;
  readonly json?: boolean;
}

/** What is asked about. */
interface Question {
  readonly text: string;
  readonly length: number;
}

/** Reads `WHAT` or `WHAT:LENGTH`; eight bytes if not said. */
export function parseWhat(text: string): Question {
  const found = /^(.+):(\d+|0x[0-9a-f]+)$/i.exec(text);
  return found === null ? { text, length: 8 } : { text: found[1], length: Number(found[2]) };
}

/** `hindsight who-wrote REC[@T] WHAT[:LENGTH]`, `hindsight who-reads`: the last access before an instant. */
export async function origin(kind: 'write' | 'read', place: string, what: string, flags: OriginFlags): Promise<number> {
  const asked = parsePlace(place);
  const pid = parsePid(flags);
  const count = flags.count === undefined ? 1 : parseInteger('--count', flags.count, 1, 1_000_000);
  const { timeline, hart, signal } = await openAt(asked, flags);
  try {
    return await explained(timeline, answer({ timeline, kind, what, flags, pid, count, hart, signal }));
  } catch (error) {
    if (error instanceof DebugError) throw new CliError(error.message);
    throw error;
  }
}

/** A question with its surroundings. */
interface Asked {
  readonly timeline: Timeline;
  readonly kind: 'write' | 'read';
  readonly what: string;
  readonly flags: OriginFlags;
  readonly pid: number | undefined;
  readonly count: number;
  readonly hart: number;
  readonly signal: AbortSignal;
}

async function answer(asked: Asked): Promise<number> {
  const { timeline, kind, what, flags, pid, count, hart, signal } = asked;
  const guest = new GuestInfo(timeline.view);
  const origins = new Origins(timeline, guest);
  const { text, length } = parseWhat(what);
  const register = flags.physical || pid !== undefined ? undefined : registerNamed(what);
  if (register !== undefined && kind === 'read') throw new DebugError(`${what} is a register: who-reads is for memory`);
  const address = register === undefined ? await addressOf(guest, text, pid) : 0n;
  const space = flags.physical ? 'physical' : pid === undefined ? { hart } : { process: pid };
  for (let found = 0; found < count; found++) {
    const next: AccessOrigin | 'interrupted' | undefined =
      register === undefined
        ? await origins.lastAccess({ kind, address, length, space }, { signal })
        : await origins.lastRegisterWrite(hart, register, { signal });
    if (next === 'interrupted') {
      process.stderr.write('hindsight: interrupted: what came before was not searched\n');
      return EXIT.INTERRUPT;
    }
    if (next === undefined) {
      const verb = kind === 'write' ? 'wrote' : 'read';
      process.stderr.write(
        `hindsight: nothing ${verb} ${what} ${found === 0 ? 'before this instant in' : 'before that in'} the recording\n`,
      );
      return found === 0 ? EXIT.FAILURE : EXIT.OK;
    }
    process.stdout.write(flags.json ? `${JSON.stringify(originJson(next))}\n` : originText(next));
    if (found + 1 < count) await timeline.seek(next.at, { signal });
  }
  return EXIT.OK;
}

/** An address by number or symbol: the kernel's, or with a process also that process's own. */
export async function addressOf(guest: GuestInfo, text: string, pid: number | undefined): Promise<bigint> {
  const kernel = guest.kernel();
  const task = pid === undefined || kernel === undefined ? undefined : findTask(kernel, pid);
  const known = task === undefined ? guest : await guestOfTask(guest, task);
  return parseAddress({ guestInfo: known }, text);
}
