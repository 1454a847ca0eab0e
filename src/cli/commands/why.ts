import { registerNamed } from '../../debug/expression/registers.ts';
import { GuestInfo } from '../../debug/guest-info.ts';
import { DebugError } from '../../debug/target.ts';
import { type WhyStep, type WhyTarget, why as whyOf } from '../../debug/why.ts';
import { formatInstant } from '../../record/divergence.ts';
import { CliError, EXIT } from '../exit.ts';
import { explained, openAt, parsePid, parsePlace, type WhoseFlags } from '../recordings.ts';
import { parseInteger } from '../values.ts';
import { addressOf, parseWhat } from './origin.ts';

/** Flags of `hindsight why`. */
export interface WhyFlags extends WhoseFlags {
  readonly physical?: boolean;
  readonly steps?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** `hindsight why REC[@T] WHAT[:LENGTH]`: the chain by which a value came to be. */
export async function why(place: string, what: string, flags: WhyFlags): Promise<number> {
  const asked = parsePlace(place);
  const pid = parsePid(flags);
  const steps = flags.steps === undefined ? undefined : parseInteger('--steps', flags.steps, 1, 1_000_000);
  const { timeline, hart, signal } = await openAt(asked, flags);
  const guest = new GuestInfo(timeline.view);
  const each = (step: WhyStep): void =>
    void process.stdout.write(flags.json ? `${JSON.stringify(stepJson(step))}\n` : stepText(step));
  try {
    const target = await targetOf(guest, what, { ...flags, hart, pid });
    const options = { signal, ...(steps !== undefined && { steps }), all: flags.all ?? false };
    const end = await explained(timeline, whyOf(timeline, guest, target, timeline.events, each, options));
    if (end === 'complete') return EXIT.OK;
    const reason =
      end === 'steps' ? 'there is more: --steps N goes farther' : 'interrupted: what is printed is partial';
    process.stderr.write(`hindsight: ${reason}\n`);
    return end === 'steps' ? EXIT.OK : EXIT.INTERRUPT;
  } catch (error) {
    if (error instanceof DebugError) throw new CliError(error.message);
    throw error;
  }
}

async function targetOf(
  guest: GuestInfo,
  what: string,
  { hart, pid, physical }: { readonly hart: number; readonly pid: number | undefined; readonly physical?: boolean },
): Promise<WhyTarget> {
  const { text, length } = parseWhat(what);
  const register = physical || pid !== undefined ? undefined : registerNamed(what);
  if (register !== undefined) {
    if (register.kind !== 'x' && register.kind !== 'f')
      throw new DebugError(`${what} is not followed: expected an integer or floating-point register, or an address`);
    return { kind: 'register', hart, register };
  }
  const space = physical ? 'physical' : pid === undefined ? { hart } : { process: pid };
  return { kind: 'memory', address: await addressOf(guest, text, pid), length, space };
}

const ACTIONS: Readonly<Record<WhyStep['action'], string>> = {
  copy: 'a copy',
  compute: 'made of',
  constant: 'a constant',
  csr: 'a control register',
  device: 'from',
  start: 'there from the start',
};

function stepText({
  at,
  place,
  instruction,
  process: who,
  action,
  target,
  depth,
  folded,
  device,
  input,
}: WhyStep): string {
  const indent = '  '.repeat(depth);
  const name = who === undefined ? '' : `, ${who.comm} (${who.pid})`;
  const copies = folded === 0 ? '' : `, after ${folded} cop${folded === 1 ? 'y' : 'ies'}`;
  const lines = [`${indent}${target}: ${ACTIONS[action]}${device === undefined ? '' : ` ${device}`}${copies}`];
  lines.push(`${indent}  instant ${formatInstant(at)}${name}  ${place}  ${instruction}`);
  if (input !== undefined)
    lines.push(
      `${indent}  input: event ${input.index} at ${formatInstant(input.at)}, ${input.byte === undefined ? '' : `byte ${input.byte} of `}${input.text}`,
    );
  return `${lines.join('\n')}\n`;
}

function stepJson({ at, pc, input, ...step }: WhyStep): object {
  return {
    ...step,
    instant: formatInstant(at),
    pc: `0x${pc.toString(16)}`,
    ...(input !== undefined && { input: { ...input, at: formatInstant(input.at) } }),
  };
}
