import { csrName, INTEGER_REGISTERS, PRIVILEGES } from '../../isa/names.ts';
import { dmesg } from '../../linux/dmesg.ts';
import { modules } from '../../linux/modules.ts';
import { findTask } from '../../linux/tasks.ts';
import { CSR, PC, PRV, X } from '../../machine/view/machine-view.ts';
import { currentSatp, flagText, levelsOf, mappings, walk } from '../../machine/view/page-table.ts';
import type { Instant } from '../../record/door.ts';
import { registerNamed } from '../expression/registers.ts';
import { findProcess } from '../find-process.ts';
import { Origins } from '../origin.ts';
import { originText } from '../origin-text.ts';
import { DebugError } from '../target.ts';
import { ADD_SYMBOLS } from './add-symbols.ts';
import { MARKS, markNumbered } from './marks.ts';
import type { CommandScene, MonitorCommand } from './monitor.ts';
import { kernelOf, PROCESS_COMMANDS } from './processes.ts';
import { SEARCHES } from './searches.ts';

const hex = (v: bigint): string => `0x${v.toString(16)}`;
const lines = (list: readonly string[], none: string): string => `${list.length === 0 ? none : list.join('\n')}\n`;

/** An address: hexadecimal, decimal, a symbol, or symbol+offset. */
export function parseAddress({ guestInfo }: Pick<CommandScene, 'guestInfo'>, text: string | undefined): bigint {
  if (text === undefined || text === '') throw new DebugError('an address is missing: give a number or a symbol');
  const clean = text.replace(/^[*&]/, '');
  if (/^(0x[0-9a-fA-F]{1,16}|[0-9]{1,20})$/.test(clean)) return BigInt.asUintN(64, BigInt(clean));
  const sum = /^(.+)\+(0x[0-9a-fA-F]+|[0-9]+)$/.exec(clean);
  const found = guestInfo.address(clean) ?? (sum ? guestInfo.address(sum[1]) : undefined);
  if (found === undefined) throw new DebugError(`"${text}" is no address and no symbol that is known`);
  return BigInt.asUintN(64, found + (sum && guestInfo.address(clean) === undefined ? BigInt(sum[2]) : 0n));
}

/** An instant: a number, a percentage, `begin`, `end`, `event N`, `mark N`, or +N/-N from now. */
export function parseInstant({ target }: Pick<CommandScene, 'target'>, args: readonly string[]): Instant {
  const [text] = args;
  const { mover } = target;
  if (text === 'begin') return mover.begin;
  if (text === 'end') return mover.end;
  if (text === 'event') return mover.locate({ event: Number(args[1]) });
  if (text === 'mark') return markNumbered(target.marks, args[1]).at;
  const m = /^([+-]?)([0-9_]+(?:\.[0-9]+)?)(%?)$/.exec(text ?? '');
  if (!m)
    throw new DebugError(
      'give an instant: a number of instructions, 50%, begin, end, event N, mark N, or +N / -N from here',
    );
  const value = Number(m[2].replaceAll('_', ''));
  if (m[3]) return mover.locate(`${value}%`);
  if (m[1] === '') return mover.locate(value);
  return mover.locate(target.instant.instructions + (m[1] === '-' ? -value : value));
}

function where({ target, guestInfo }: CommandScene): string {
  const hart = target.activeHart();
  const { begin, end, endless } = target.mover;
  return `instant ${target.instant.instructions} of ${begin.instructions}…${end.instructions}${endless ? ' (and on: it lives)' : ''}, hart ${hart} at ${guestInfo.describe(target.readRegister(hart, PC) ?? 0n)}\n`;
}

function infoMem(scene: CommandScene, args: readonly string[]): string {
  const { target, hart } = scene;
  const satp = currentSatp(target, hart);
  if (levelsOf(satp) === 0) return 'addresses are physical: no translation is on\n';
  if (args.length > 0) {
    const address = parseAddress(scene, args[0]);
    const m = walk(target, satp, address);
    return m
      ? `${hex(address)} → ${hex(m.physical)} ${flagText(m.entry)}, page of ${m.pageSize >> 10n} KiB\n`
      : `${hex(address)} is not mapped\n`;
  }
  const out: string[] = [
    `Sv${9 * levelsOf(satp) + 12}, root ${hex((satp & 0xfff_ffff_ffffn) << 12n)}, ASID ${(satp >> 44n) & 0xffffn}`,
  ];
  for (const s of mappings(target, satp)) {
    if (out.length > 2000) {
      out.push('… (more: give an address)');
      break;
    }
    out.push(`${hex(s.start)}-${hex(s.end)} → ${hex(s.physical)} ${flagText(s.flags)}`);
  }
  return lines(out, '');
}

function infoHarts({ target, guestInfo }: CommandScene): string {
  return lines(
    Array.from({ length: target.harts }, (_, hart) => {
      const prv = Number(target.readRegister(hart, PRV) ?? 0n) as keyof typeof PRIVILEGES;
      const mark = hart === target.activeHart() ? '*' : ' ';
      return `${mark} hart ${hart} (thread ${hart + 1}) ${PRIVILEGES[prv] ?? '?'} ${guestInfo.describe(target.readRegister(hart, PC) ?? 0n)} ${guestInfo.hartNote(hart)}`.trimEnd();
    }),
    '',
  );
}

/** The last access to memory before here, or the last write of a register. */
async function lastOrigin(scene: CommandScene, kind: 'write' | 'read', args: readonly string[]): Promise<string> {
  const { target, guestInfo, hart, settings, signal } = scene;
  const [what, count] = args;
  const length = count === undefined ? 8 : Number(count);
  const origins = new Origins(target.mover, guestInfo);
  const register = kind === 'write' && what !== undefined ? registerNamed(what) : undefined;
  const process = settings.attached?.pid ?? settings.process;
  const found =
    register === undefined
      ? await origins.lastAccess(
          {
            kind,
            address: parseAddress(scene, what),
            length,
            space: process === undefined ? { hart } : { process },
          },
          { signal },
        )
      : await origins.lastRegisterWrite(hart, register, { signal });
  if (found === 'interrupted') return 'interrupted\n';
  if (found === undefined)
    return `nothing ${kind === 'write' ? 'wrote' : 'read'} ${what} before this instant in the recording\n`;
  return `${originText(found)}(monitor seek ${found.at.instructions} goes there)\n`;
}

/** Commands in the order help shows them. */
export const COMMANDS: readonly MonitorCommand[] = [
  {
    name: 'help',
    help: 'this list',
    run: () =>
      lines(
        COMMANDS.map((c) => `${`${c.name} ${c.usage ?? ''}`.trimEnd().padEnd(30)} ${c.help}`),
        '',
      ),
  },
  { name: 'when', help: 'the present instant', run: where },
  ...MARKS,
  {
    name: 'seek',
    usage: 'INSTANT',
    help: 'go to a number, 50%, begin, end, event N, mark N, +N, -N',
    run: async (scene, args) => {
      await scene.target.mover.seek(parseInstant(scene, args), { signal: scene.signal });
      return where(scene);
    },
  },
  {
    name: 'events',
    usage: '[FROM [COUNT]]',
    help: 'host inputs of the recording',
    run: ({ target }, [from, count]) => {
      const all = target.events();
      const first = from === undefined ? Math.max(0, all.length - 20) : Number(from);
      return lines(
        all
          .slice(first, first + Number(count ?? 20))
          .map((e) => `${e.index}  ${e.at.instructions}  ${e.port} ${e.kind}  ${e.text}`),
        'no events',
      );
    },
  },
  {
    name: 'checkpoints',
    help: 'instants the machine is kept of',
    run: ({ target }) =>
      lines(
        target.checkpoints().map((c) => `${c.at.instructions}  ${(c.bytes / 1024).toFixed(0)} KiB`),
        'no checkpoints',
      ),
  },
  {
    name: 'who-wrote',
    usage: 'ADDRESS [LENGTH]|REGISTER',
    help: 'who last wrote there before now',
    run: (scene, args) => lastOrigin(scene, 'write', args),
  },
  {
    name: 'who-reads',
    usage: 'ADDRESS [LENGTH]',
    help: 'who last read there before now',
    run: (scene, args) => lastOrigin(scene, 'read', args),
  },
  ...SEARCHES,
  {
    name: 'branch',
    help: 'go on from here as a live machine that may be written to',
    run: async (scene) => {
      await scene.target.branch();
      return `a branch begins here: memory and registers may be written\n${where(scene)}`;
    },
  },
  {
    name: 'save',
    help: 'write the branch as a recording to the file that --record names',
    run: async ({ target, monitor }) => {
      if (!monitor.store) throw new DebugError('no file was named: start hindsight debug with --record FILE');
      return `${await monitor.store(target.save())}\n`;
    },
  },
  { name: 'info mem', usage: '[ADDRESS]', help: 'the page table of this hart', run: infoMem },
  { name: 'info harts', help: 'where each hart is and what it runs', run: infoHarts },
  {
    name: 'info csr',
    usage: '[NAME]',
    help: 'control and status registers',
    run: ({ target, hart }, [name]) =>
      lines(
        Array.from({ length: 4096 }, (_, n) => n)
          .map((n) => [n, target.readRegister(hart, CSR(n))] as const)
          .filter(([n, v]) => v !== undefined && (name === undefined || csrName(n).startsWith(name)))
          .map(([n, v]) => `${csrName(n).padEnd(14)} ${hex(v!)}`),
        'no such register',
      ),
  },
  {
    name: 'info registers',
    help: 'integer registers by name',
    run: ({ target, hart }) =>
      lines([...INTEGER_REGISTERS.map((n, i) => `${n.padEnd(5)} ${hex(target.readRegister(hart, X(i)) ?? 0n)}`)], ''),
  },
  ...PROCESS_COMMANDS,
  ADD_SYMBOLS,
  {
    name: 'symbol',
    usage: 'ADDRESS|NAME',
    help: 'name of an address, address of a name',
    run: (scene, args) => `${scene.guestInfo.describe(parseAddress(scene, args[0]))}\n`,
  },
  {
    name: 'process',
    usage: '[PID|off]',
    help: 'show user-space addresses as this process sees them',
    run: (scene, [pid]) => {
      if (pid === 'off') scene.settings.process = undefined;
      else if (pid !== undefined) {
        const task = findTask(kernelOf(scene), Number(pid));
        if (!task || task.mm === 0n) throw new DebugError(`there is no user process ${pid}: monitor ps lists them`);
        scene.settings.process = task.pid;
      }
      return scene.settings.process === undefined
        ? 'user-space addresses are those of the current process\n'
        : `user-space addresses are those of process ${scene.settings.process}\n`;
    },
  },
  {
    name: 'attach',
    usage: 'PID|NAME',
    help: 'debug one process: its threads, its code and nothing else',
    run: async ({ settings, target, guestInfo, signal }, [which]) => {
      if (which === undefined) throw new DebugError('which process? monitor ps lists them: give a number or a name');
      const pid = await findProcess(target, guestInfo, which, { signal });
      const process = await settings.attach(target, guestInfo, pid);
      return `attached to process ${process.pid} (${process.path})\n`;
    },
  },
  {
    name: 'detach',
    help: 'debug the whole machine again',
    run: ({ settings }) => {
      settings.attached = undefined;
      return 'threads are harts again\n';
    },
  },
  {
    name: 'follow',
    usage: '[parent|child]',
    help: 'who is debugged after a fork of the process that is attached to',
    run: ({ settings }, [who]) => {
      if (who !== undefined && who !== 'parent' && who !== 'child')
        throw new DebugError(`follow ${who}: expected parent or child`);
      if (who !== undefined) settings.followChild = who === 'child';
      return `a fork is followed into the ${settings.followChild ? 'child' : 'parent'}\n`;
    },
  },
  {
    name: 'only',
    usage: '[PID|current|off]',
    help: 'break and watch only in this process',
    run: (scene, [pid]) => {
      if (pid === 'off') scene.settings.only = undefined;
      else if (pid !== undefined) {
        const task = pid === 'current' ? scene.guestInfo.current(scene.hart) : findTask(kernelOf(scene), Number(pid));
        if (!task) throw new DebugError(`there is no process ${pid} now: monitor ps lists them`);
        scene.settings.only = task.tgid;
      }
      return scene.settings.only === undefined
        ? 'breakpoints stop in every process\n'
        : `breakpoints stop in process ${scene.settings.only} only\n`;
    },
  },
  {
    name: 'interrupts',
    usage: '[over|into]',
    help: 'whether steps go over the handlers of interrupts',
    run: ({ settings }, [what]) => {
      if (what !== undefined && what !== 'over' && what !== 'into')
        throw new DebugError(`interrupts ${what}: expected over or into`);
      if (what !== undefined) settings.overInterrupts = what === 'over';
      return `steps go ${settings.overInterrupts ? 'over' : 'into'} interrupt handlers\n`;
    },
  },
  {
    name: 'modules',
    help: 'kernel modules that are loaded',
    run: (scene) =>
      lines(
        modules(kernelOf(scene)).map((m) => `${m.name.padEnd(24)} ${hex(m.parts[0]?.base ?? 0n)}`),
        'no modules',
      ),
  },
  {
    name: 'dmesg',
    usage: '[LINES]',
    help: 'the kernel log',
    run: (scene, [count]) =>
      lines(
        dmesg(kernelOf(scene))
          .slice(count === undefined ? 0 : -Number(count))
          .map(
            (l) =>
              `[${String(l.time / 1_000_000_000n).padStart(5)}.${String((l.time / 1000n) % 1_000_000n).padStart(6, '0')}] ${l.text}`,
          ),
        'the log is empty',
      ),
  },
  {
    name: 'physical',
    usage: '[on|off]',
    help: 'whether memory is read and written by physical address',
    run: ({ physical }, [what]) => {
      if (!physical) return 'this client has no physical view\n';
      return `memory is ${physical(what === undefined ? undefined : what === 'on') ? 'physical' : 'virtual'}\n`;
    },
  },
];
