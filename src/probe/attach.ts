import type { Btf } from '../linux/btf.ts';
import type { SyscallType } from '../linux/syscalls.ts';
import type { NamedAddress } from '../symbols/table.ts';
import type { BreakpointKind } from '../timeline/breakpoints.ts';
import type { ProbeArguments } from './environment.ts';
import { type Span, suggestion } from './script-error.ts';
import type { AttachPoint } from './syntax.ts';
import { type ScriptType, SIGNED, UNSIGNED } from './values.ts';

/** What a kernel offers to attach to. */
export interface AttachTargets {
  /** The kernel's symbols. */
  readonly symbols: Iterable<NamedAddress>;
  readonly btf: Btf | undefined;
  readonly syscalls: readonly SyscallType[];
}

/** Where an argument is found when a probe was met. */
export type ArgumentPlace =
  /** In a0 + n. */
  | { readonly register: number; readonly type: ScriptType }
  /** In the pt_regs that a0 points to, as the n-th argument of a system call. */
  | { readonly saved: number; readonly type: ScriptType }
  /** The function's result. */
  | { readonly result: true; readonly type: ScriptType };

/** A probe with all patterns filled in. */
export type Attachment = { readonly probe: string; readonly args: ReadonlyMap<string, ArgumentPlace> } & (
  | { readonly kind: 'begin' | 'end' }
  /** Before the instruction at an address, or before accesses to [start, end). */
  | { readonly kind: 'point'; readonly on: BreakpointKind; readonly start: bigint; readonly end: bigint }
  /** Where the function at an address returns. */
  | { readonly kind: 'return'; readonly address: bigint }
  /** Where a program's file is mapped: before an instruction of a function, or where the function returns. */
  | {
      readonly kind: 'user';
      /** An absolute path, or a library's name such as `libc`. */
      readonly file: string;
      /** A function's name, with `*` and `?`, or an address as the file has it. */
      readonly at: string | bigint;
      /** Bytes after that. */
      readonly offset: bigint;
      readonly returns: boolean;
      /** In the script, for what turns out to be wrong once the file is there. */
      readonly span: Span;
    }
  /** Every so many nanoseconds of guest time, or instructions. */
  | { readonly kind: 'every'; readonly unit: 'nanoseconds' | 'instructions'; readonly count: number }
);

/** Most functions that one pattern may name. */
const PATTERN_LIMIT = 12_000;
const NO_ARGS: ReadonlyMap<string, ArgumentPlace> = new Map();
const UNITS: Readonly<Record<string, number>> = { us: 1000, ms: 1_000_000, s: 1_000_000_000 };
const ALIASES: Readonly<Record<string, string>> = {
  k: 'kprobe',
  kr: 'kretprobe',
  fentry: 'kprobe',
  fexit: 'kretprobe',
  kfunc: 'kprobe',
  kretfunc: 'kretprobe',
  u: 'uprobe',
  ur: 'uretprobe',
  t: 'tracepoint',
  i: 'interval',
  p: 'profile',
  w: 'watchpoint',
};
/** Kernel functions that stand for what happens to processes: setup_new_exec() runs once the new program's name is set. */
const MOMENTS: Readonly<Record<string, string>> = {
  exec: 'setup_new_exec',
  exit: 'do_exit',
  fork: 'wake_up_new_task',
  pagefault: 'handle_page_fault',
  interrupt: 'do_irq',
};
const PROVIDERS = [
  'BEGIN',
  'END',
  'kprobe',
  'kretprobe',
  'uprobe',
  'uretprobe',
  'tracepoint',
  'interval',
  'profile',
  'watchpoint',
  ...Object.keys(MOMENTS),
];

/** Finds what a point names. @returns what is wrong, as text, when it names nothing */
export function attach(point: AttachPoint, targets: AttachTargets): Attachment[] | string {
  const provider = ALIASES[point.provider] ?? point.provider;
  const { parts } = point;
  switch (provider) {
    case 'BEGIN':
    case 'END':
      return [{ kind: provider === 'BEGIN' ? 'begin' : 'end', probe: provider, args: NO_ARGS }];
    case 'kprobe':
    case 'kretprobe':
      return functions(provider, parts, targets);
    case 'uprobe':
    case 'uretprobe':
      return inProgram(provider, point);
    case 'tracepoint':
      return tracepoint(parts, targets);
    case 'interval':
    case 'profile':
      return every(provider, parts);
    case 'watchpoint':
      return watchpoint(parts, targets);
  }
  const moment = MOMENTS[provider];
  if (moment === undefined) return `there is no probe ${point.provider}${suggestion(point.provider, PROVIDERS)}`;
  if (parts.length > 0) return `${provider} takes nothing after it`;
  const found = functions('kprobe', [moment], targets);
  return typeof found === 'string' ? found : found.map((attachment) => ({ ...attachment, probe: provider }));
}

/** The types of arguments that scripts can name, where all attachments have them. */
export function commonArguments(attachments: readonly Attachment[]): ProbeArguments {
  const [first, ...rest] = attachments;
  const common = new Map<string, ScriptType>();
  for (const [name, { type }] of first?.args ?? []) {
    if (rest.every(({ args }) => args.get(name)?.type.kind === type.kind)) common.set(name, type);
  }
  return common;
}

function functions(
  provider: 'kprobe' | 'kretprobe',
  [pattern, ...more]: readonly string[],
  targets: AttachTargets,
): Attachment[] | string {
  if (pattern === undefined || pattern === '' || more.length > 0)
    return `expected ${provider}:FUNCTION, such as ${provider}:vfs_read`;
  const [, name = pattern, offset] = /^(.+?)\+(0x[0-9a-f]+|\d+)$/i.exec(pattern) ?? [];
  const found = matching(name, targets);
  if (typeof found === 'string') return found;
  return found.map(({ name: symbol, address }) => {
    const probe = `${provider}:${symbol}${offset === undefined ? '' : `+${offset}`}`;
    if (provider === 'kretprobe') return { kind: 'return', probe, address, args: resultOf(symbol, targets) };
    const start = address + BigInt(offset ?? 0);
    return {
      kind: 'point',
      probe,
      on: 'execute',
      start,
      end: start + 1n,
      args: offset === undefined ? parametersOf(symbol, targets) : NO_ARGS,
    };
  });
}

/** `uprobe:FILE:FUNCTION`, `uprobe:FILE:FUNCTION+OFFSET`, `uprobe:FILE:ADDRESS`. The file is looked at once a process maps it. */
function inProgram(provider: 'uprobe' | 'uretprobe', { parts, start, end }: AttachPoint): Attachment[] | string {
  const [file = '', place = '', ...more] = parts;
  const form = `expected ${provider}:FILE:FUNCTION, such as ${provider}:/bin/busybox:main or ${provider}:libc:malloc`;
  if (file === '' || place === '' || more.length > 0 || (file.includes('/') && !file.startsWith('/'))) return form;
  const [, name = place, offset] = /^(.+?)\+(0x[0-9a-f]+|\d+)$/i.exec(place) ?? [];
  const address = /^(0x[0-9a-f]+|\d+)$/i.test(name);
  const returns = provider === 'uretprobe';
  if (returns && (address || offset !== undefined)) return `${form}: a return is that of a whole function`;
  return [
    {
      kind: 'user',
      probe: `${provider}:${file}:${place}`,
      file,
      at: address ? BigInt(name) : name,
      offset: BigInt(offset ?? 0),
      returns,
      span: { start, end },
      args: NO_ARGS,
    },
  ];
}

/** What `*` and `?` stand for in names. */
export const patternOf = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  );

function matching(pattern: string, { symbols }: AttachTargets): NamedAddress[] | string {
  const code = [...symbols].filter(({ code }) => code);
  if (!/[*?]/.test(pattern)) {
    const exact = code.find(({ name }) => name === pattern);
    return exact === undefined
      ? `the kernel has no function ${pattern}${suggestion(
          pattern,
          code.map(({ name }) => name),
        )}`
      : [exact];
  }
  const expression = patternOf(pattern);
  const all = new Map(code.filter(({ name }) => expression.test(name)).map((symbol) => [symbol.address, symbol]));
  if (all.size === 0) return `no function of the kernel matches ${pattern}`;
  if (all.size > PATTERN_LIMIT)
    return `${all.size} functions match ${pattern}; at most ${PATTERN_LIMIT} can be probed at once`;
  return [...all.values()];
}

function typeOf(type: number, btf: Btf): ScriptType | undefined {
  const shape = btf.describe(type);
  if (shape.kind === 'integer') return shape.signed ? SIGNED : UNSIGNED;
  return shape.kind === 'pointer' ? { kind: 'pointer', to: shape.to } : undefined;
}

function parametersOf(name: string, { btf }: AttachTargets): ReadonlyMap<string, ArgumentPlace> {
  const args = new Map<string, ArgumentPlace>();
  for (const [register, parameter] of (btf?.functionType(name)?.parameters ?? []).entries()) {
    const type = typeOf(parameter.type, btf!);
    // The first eight words of arguments lie in registers; a structure may take two of them, so what follows one is not known.
    if (type === undefined || register > 7) break;
    args.set(parameter.name, { register, type });
  }
  return args;
}

function resultOf(name: string, { btf }: AttachTargets): ReadonlyMap<string, ArgumentPlace> {
  const result = btf?.functionType(name)?.result;
  const type = result === undefined ? undefined : typeOf(result, btf!);
  return type === undefined ? NO_ARGS : new Map([['ret', { result: true, type }]]);
}

/** `syscalls:sys_enter_NAME` and `syscalls:sys_exit_NAME`. */
function tracepoint([category, event, ...more]: readonly string[], targets: AttachTargets): Attachment[] | string {
  const wanted = /^sys_(enter|exit)_(.+)$/.exec(event ?? '');
  if (category !== 'syscalls' || wanted === null || more.length > 0)
    return 'expected tracepoint:syscalls:sys_enter_NAME or tracepoint:syscalls:sys_exit_NAME, such as tracepoint:syscalls:sys_enter_openat';
  const [, side, pattern = ''] = wanted;
  const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
  const chosen = targets.syscalls.filter(({ name }) => expression.test(name));
  if (chosen.length === 0)
    return `the kernel has no system call ${pattern}${suggestion(
      pattern,
      targets.syscalls.map(({ name }) => name),
    )}`;
  const attachments: Attachment[] = [];
  for (const { name, parameters } of chosen) {
    const entry = matching(`__riscv_sys_${name}`, targets);
    // Of calls without arguments, and of those that this architecture does not have.
    const other = typeof entry === 'string' ? matching(`__se_sys_${name}`, targets) : entry;
    if (typeof other === 'string') {
      if (chosen.length === 1) return other;
      continue;
    }
    const { address } = other[0]!;
    const probe = `tracepoint:syscalls:sys_${side}_${name}`;
    if (side === 'exit')
      attachments.push({ kind: 'return', probe, address, args: new Map([['ret', { result: true, type: SIGNED }]]) });
    else {
      const args = new Map(
        parameters.map((parameter, saved) => [parameter.name, { saved, type: argumentType(parameter.type, targets) }]),
      );
      attachments.push({ kind: 'point', probe, on: 'execute', start: address, end: address + 1n, args });
    }
  }
  return attachments;
}

function argumentType(text: string, { btf }: AttachTargets): ScriptType {
  const pointer = /^(?:const )?(?:struct |union )?(.+?)\s*(?:__user\s*)?\*$/.exec(text);
  const to = pointer === null ? undefined : btf?.named(pointer[1]!.replace(/^const /, ''));
  if (to !== undefined) return { kind: 'pointer', to };
  return pointer !== null || /unsigned|size_t|^u\d|_t$/.test(text) ? UNSIGNED : SIGNED;
}

function every(provider: 'interval' | 'profile', [unit, count, ...more]: readonly string[]): Attachment[] | string {
  const form =
    provider === 'interval'
      ? 'interval:s:1, interval:ms:100 or interval:us:10'
      : 'profile:hz:99, profile:ms:10 or profile:i:100000 (instructions)';
  const number = Number(count);
  if (unit === undefined || !Number.isInteger(number) || number < 1 || more.length > 0) return `expected ${form}`;
  const probe = `${provider}:${unit}:${count}`;
  if (provider === 'profile' && unit === 'i')
    return [{ kind: 'every', probe, unit: 'instructions', count: number, args: NO_ARGS }];
  const nanoseconds =
    provider === 'profile' && unit === 'hz' ? Math.max(1, Math.round(1e9 / number)) : (UNITS[unit] ?? 0) * number;
  if (nanoseconds === 0) return `expected ${form}`;
  return [{ kind: 'every', probe, unit: 'nanoseconds', count: nanoseconds, args: NO_ARGS }];
}

/** `watchpoint:ADDRESS[:LENGTH[:rwx]]`; the address may be a symbol of the kernel. */
function watchpoint(
  [where, length = '8', mode = 'rw', ...more]: readonly string[],
  { symbols }: AttachTargets,
): Attachment[] | string {
  const form = 'expected watchpoint:ADDRESS:LENGTH:MODE, such as watchpoint:0x80200000:8:w or watchpoint:jiffies:8:rw';
  if (where === undefined || more.length > 0 || !/^[rwx]+$/.test(mode) || !/^\d+$/.test(length) || Number(length) === 0)
    return form;
  const start = /^(0x[0-9a-f]+|\d+)$/i.test(where)
    ? BigInt(where)
    : [...symbols].find(({ name }) => name === where)?.address;
  if (start === undefined) return `the kernel has no symbol ${where}; ${form}`;
  const on = mode.includes('x')
    ? 'execute'
    : mode.includes('r') && mode.includes('w')
      ? 'access'
      : mode.includes('w')
        ? 'write'
        : 'read';
  return [
    {
      kind: 'point',
      probe: `watchpoint:${where}:${length}:${mode}`,
      on,
      start,
      end: start + BigInt(length),
      args: NO_ARGS,
    },
  ];
}
