import { GuestInfo } from '../../debug/guest-info.ts';
import { parseAddress } from '../../debug/monitor/commands.ts';
import { guestOnHartNow } from '../../debug/process-symbols.ts';
import { DebugError } from '../../debug/target.ts';
import { type ValueChange, whenChanged } from '../../debug/when.ts';
import { formatInstant } from '../../record/divergence.ts';
import { CliError, EXIT } from '../exit.ts';
import {
  explained,
  interruptSignal,
  openRecording,
  parseDestination,
  parseHart,
  parsePid,
  parsePlace,
  type WhoseFlags,
} from '../recordings.ts';
import { parseInteger } from '../values.ts';

/** Flags of `hindsight when`. */
export interface WhenFlags extends WhoseFlags {
  readonly at?: string;
  readonly until?: string;
  readonly count?: string;
  readonly json?: boolean;
}

/** `hindsight when REC[@T] EXPRESSION`: the instants at which a value changed, from the beginning or an instant on. */
export async function when(place: string, text: string, flags: WhenFlags): Promise<number> {
  const { file, at } = parsePlace(place);
  const process_ = parsePid(flags);
  const count = flags.count === undefined ? Infinity : parseInteger('--count', flags.count, 1, 1_000_000_000);
  const until = flags.until === undefined ? undefined : parseDestination('--until', flags.until);
  const { timeline } = await openRecording(file, flags);
  const hart = parseHart(flags, timeline);
  const signal = interruptSignal();
  const guest = new GuestInfo(timeline.view);
  const to = until === undefined ? timeline.end : (await explained(timeline, timeline.seek(until, { signal }))).at;
  await explained(timeline, timeline.seek(at ?? timeline.begin, { signal }));
  let found = 0;
  const each = (change: ValueChange): boolean => {
    process.stdout.write(flags.json ? `${JSON.stringify(asJson(change, guest))}\n` : asText(change, guest));
    return ++found < count;
  };
  try {
    const reason = await explained(
      timeline,
      whenChanged(timeline, guest, text, each, {
        signal,
        until: to,
        ...(flags.at !== undefined && { place: parseAddress({ guestInfo: guest }, flags.at) }),
        ...(process_ !== undefined && { process: process_ }),
        ...(hart !== undefined && { hart }),
      }),
    );
    if (reason === 'interrupted') {
      process.stderr.write(
        `hindsight: interrupted at ${timeline.at.instructions} instructions: what is printed is partial\n`,
      );
      return EXIT.INTERRUPT;
    }
    if (found === 0) process.stderr.write(`hindsight: the value of ${text} never changed\n`);
    return EXIT.OK;
  } catch (error) {
    if (error instanceof DebugError) throw new CliError(error.message);
    throw error;
  }
}

const valueText = (value: bigint | undefined): string =>
  value === undefined ? 'not mapped' : `0x${value.toString(16)}`;

function asText({ at, time, hart, pc, before, after }: ValueChange, guest: GuestInfo): string {
  const task = guest.current(hart);
  const who = task === undefined ? `hart ${hart}` : `${task.name} (${task.pid})`;
  const value = `${valueText(before)} → ${valueText(after)}`;
  return `${formatInstant(at)} ${(time / 1e9).toFixed(6)} s  ${value}  ${who} at ${guestOnHartNow(guest, hart).describe(pc)}\n`;
}

function asJson({ at, time, hart, pc, before, after }: ValueChange, guest: GuestInfo): object {
  const task = guest.current(hart);
  return {
    instant: formatInstant(at),
    time: time / 1e9,
    hart,
    ...(task && { pid: task.tgid, comm: task.name }),
    before: before === undefined ? null : valueText(before),
    after: after === undefined ? null : valueText(after),
    place: guestOnHartNow(guest, hart).describe(pc),
  };
}
