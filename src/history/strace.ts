import { ERRNO, RESTART } from '../errno.ts';
import { ARGUMENT_TEXT } from '../linux/flags.ts';
import type { SyscallRecord } from './syscalls.ts';

/** Bytes of a text or buffer that are shown, as strace(1) has it without -s. */
const SHOWN = 32;
/** Calls that return an address. */
const ADDRESSES = new Set(['mmap', 'brk', 'mremap', 'shmat']);
const AT_FDCWD = -100;
/** Commands of fcntl(2) that return flags. */
const F_GETFD = 1n;
const F_GETFL = 3n;
const ESCAPES: Readonly<Record<number, string>> = {
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
};

/** A call as strace(1) prints it, without the process. @param shown bytes of texts and buffers to show */
export function straceLine(call: SyscallRecord, shown = SHOWN): string {
  return `${`${call.name}(${argumentsText(call, shown)})`.padEnd(39)} = ${resultText(call)}`;
}

/** The arguments of a call as strace(1) prints them. @param shown bytes of texts and buffers to show */
export function argumentsText(call: SyscallRecord, shown = SHOWN): string {
  let { parameters } = call;
  // A mode is only there for a file that may be made (open(2)).
  if (call.name === 'openat' && (call.args[2]! & 0x40n) === 0n) parameters = parameters.slice(0, 3);
  return parameters.map((_, i) => argumentText(call, i, shown)).join(', ');
}

function argumentText(call: SyscallRecord, i: number, shown: number): string {
  const { name, type } = call.parameters[i]!;
  const raw = call.args[i]!;
  const list = call.lists.get(i);
  if (list !== undefined) {
    if (name === 'envp') return `0x${raw.toString(16)} /* ${list.length} vars */`;
    return `[${list.map((text) => quoted(text, shown, false)).join(', ')}]`;
  }
  const bytes = call.memory.get(i);
  if (bytes !== undefined) return quoted(bytes, shown, type.startsWith('const char') && call.name !== 'write');
  const named = ARGUMENT_TEXT[`${call.name}.${name}`];
  if (named !== undefined) return named(Number(BigInt.asIntN(32, raw)));
  if (type.includes('*')) return raw === 0n ? 'NULL' : `0x${raw.toString(16)}`;
  if (/^(?:unsigned )?int$|^pid_t$|^s32$|^clockid_t$|^key_t$/.test(type)) {
    const value = Number(BigInt.asIntN(32, raw));
    return value === AT_FDCWD && name === 'dfd' ? 'AT_FDCWD' : String(value);
  }
  if (name === 'addr' || name === 'start' || name === 'brk') return raw === 0n ? 'NULL' : `0x${raw.toString(16)}`;
  return String(type.includes('unsigned') || /size_t|^u\d/.test(type) ? raw : BigInt.asIntN(64, raw));
}

function resultText({ name, args, result }: SyscallRecord): string {
  if (result === undefined) return '?';
  if (result < 0n && result >= -4095n) {
    const number = Number(-result);
    const restart = RESTART.get(number);
    if (restart !== undefined) return `? ${restart} (To be restarted if SA_RESTART is set)`;
    const [code, text] = ERRNO.get(number) ?? [`E${number}`, `Unknown error ${number}`];
    return `-1 ${code} (${text})`;
  }
  if (name === 'fcntl' && result > 0n) {
    const flags = `0x${result.toString(16)} (flags `;
    if (args[1] === F_GETFL) return `${flags}${ARGUMENT_TEXT['openat.flags']!(Number(result))})`;
    if (args[1] === F_GETFD) return `${flags}FD_CLOEXEC)`;
  }
  return ADDRESSES.has(name) ? `0x${BigInt.asUintN(64, result).toString(16)}` : String(result);
}

/** Bytes as a C string; longer ones end with dots. Paths are always whole. */
function quoted(bytes: Uint8Array, shown: number, path: boolean): string {
  const head = path ? bytes : bytes.subarray(0, shown);
  let text = '';
  for (const [i, byte] of head.entries()) {
    const next = head[i + 1];
    if (ESCAPES[byte] !== undefined) text += ESCAPES[byte];
    else if (byte >= 32 && byte < 127) text += String.fromCharCode(byte);
    // Three digits where a digit follows, so that it is not taken for one more.
    else text += `\\${byte.toString(8).padStart(next !== undefined && next >= 48 && next < 56 ? 3 : 1, '0')}`;
  }
  return `"${text}"${head.length < bytes.length ? '...' : ''}`;
}
