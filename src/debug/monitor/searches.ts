import { PC } from '../../machine/view/machine-view.ts';
import type { Breakpoint } from '../../timeline/breakpoints.ts';
import { addressMeant } from '../expression/scope.ts';
import { DebugError } from '../target.ts';
import type { CommandScene, MonitorCommand } from './monitor.ts';

/** Hits that are listed if nothing else is asked for, and at most. */
const LISTED = 100;
const MOST = 100_000;

/** Where the guest's kernel begins to deal with what went wrong. */
const CRASHES: Readonly<Record<string, string>> = {
  force_sig_fault: 'a signal for a fault of',
  die: 'an oops in',
  panic: 'a panic in',
};

function most(text: string | undefined): number {
  const n = text === undefined ? LISTED : Number(text);
  if (!(Number.isInteger(n) && n > 0 && n <= MOST)) throw new DebugError(`"${text}" hits: expected 1 … ${MOST}`);
  return n;
}

/** Every hit of a point in the recording, from its beginning on. The machine returns to where it was. */
async function hits(
  { target, guestInfo, monitor, settings, signal }: CommandScene,
  point: Breakpoint,
  limit: number,
): Promise<string> {
  const { mover } = target;
  const from = mover.at;
  const points = settings.attached?.restricted([point]) ?? monitor.restricted([point], settings);
  const lines: string[] = [];
  await mover.seek(mover.begin);
  const { reason } = await mover.scan(
    points,
    mover.end,
    ({ at, hart, pc }) => {
      lines.push(`${at.instructions}  hart ${hart}  ${guestInfo.describe(pc)}  ${monitor.hartNote(hart)}`.trimEnd());
      return lines.length < limit;
    },
    { ...(signal && { signal }) },
  );
  await mover.seek(from);
  const end =
    reason === 'interrupted'
      ? '(interrupted)\n'
      : reason === 'hit'
        ? '(there may be more: give a larger number)\n'
        : '';
  return `${lines.length === 0 ? 'it was never met' : lines.join('\n')}\n${end}`;
}

/** The address of an expression as the hart that is looked at has it. */
const addressOf = ({ target, guestInfo, hart, settings }: CommandScene, text: string | undefined): bigint => {
  if (text === undefined) throw new DebugError('an address is missing: give a number, a symbol or an expression');
  const { attached } = settings;
  const seen = attached ? attached.view(attached.activeThread()) : { view: target, hart };
  return addressMeant(text, guestInfo, seen.view, seen.hart);
};

/** Back to the last thing that went wrong before here: of the process that is attached to, or of any. */
async function crash({ target, guestInfo, monitor, settings, signal }: CommandScene): Promise<string> {
  const kernel = guestInfo.kernel();
  if (!kernel)
    throw new DebugError('no Linux kernel with kallsyms and BTF is in memory at this instant: seek to a later one');
  const names = settings.attached ? ['force_sig_fault'] : ['force_sig_fault', 'die', 'panic'];
  const all = names.flatMap((name): (readonly [string, Breakpoint])[] => {
    const start = kernel.symbols.find(name)?.address;
    return start === undefined ? [] : [[name, { kind: 'execute', start, end: start + 1n }]];
  });
  const points = all.map(([, point]) => point);
  const set = settings.attached?.restricted(points) ?? monitor.restricted(points, settings);
  const { reason, hit } = await target.mover.reverseContinue(set, { ...(signal && { signal }) });
  if (reason === 'interrupted') return 'interrupted\n';
  if (hit === undefined) return 'nothing crashed before: this is the beginning\n';
  const name = all[set.indexOf(hit.point)]?.[0] ?? '';
  const pc = target.readRegister(hit.hart, PC) ?? 0n;
  return `instant ${hit.at.instructions}: ${CRASHES[name]} ${monitor.hartNote(hit.hart)} on hart ${hit.hart}, ${guestInfo.describe(pc)}\n`;
}

/** Commands that look through the whole recording. */
export const SEARCHES: readonly MonitorCommand[] = [
  {
    name: 'hits',
    usage: 'PLACE [COUNT]',
    help: 'every time a place was executed, from the beginning of the recording',
    run: (scene, [text, count]) => {
      const start = addressOf(scene, text);
      return hits(scene, { kind: 'execute', start, end: start + 1n }, most(count));
    },
  },
  {
    name: 'writes',
    usage: 'ADDRESS [LENGTH [COUNT]]',
    help: 'every instruction that wrote there, from the beginning of the recording',
    run: (scene, [text, length, count]) => {
      const start = addressOf(scene, text);
      const bytes = length === undefined ? 8 : Number(length);
      if (!(Number.isInteger(bytes) && bytes > 0 && bytes <= 4096))
        throw new DebugError(`"${length}" is no length: expected 1 … 4096 bytes`);
      return hits(scene, { kind: 'write', start, end: start + BigInt(bytes) }, most(count));
    },
  },
  { name: 'crash', help: 'go back to the last fault, oops or panic before now', run: crash },
];
