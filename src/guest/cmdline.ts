/**
 * The guest's kernel command line: the defaults, and the words /init understands.
 */

/**
 * The kernel's command line by default. Each word saves guest instructions before the first
 * userspace line and takes nothing a guest in this machine would miss:
 *
 * - `console=ttyS0` the 16550A; `quiet` only warnings reach it during boot;
 * - `cryptomgr.notests` no self-tests of ciphers;
 * - `initcall_blacklist=…` no jitter-entropy calibration (the device tree carries a seed) and no
 *   expansion of trace-event enumerations;
 * - `rodata=off` kernel pages stay in large mappings;
 * - `rcupdate.rcu_cpu_stall_suppress=1 nowatchdog` no warnings of stalls and lockups, which a machine that goes on after
 *   being suspended would print: its clock has moved on while no processor ran.
 */
export const DEFAULT_COMMAND_LINE =
  'console=ttyS0 quiet cryptomgr.notests initcall_blacklist=jent_mod_init,trace_eval_sync,trace_eval_init rodata=off rcupdate.rcu_cpu_stall_suppress=1 nowatchdog';

/** First line that userspace prints on the console. */
export const USERSPACE_MARKER = 'hindsight: userspace';

/** Longest command line the kernel keeps, in bytes with its NUL (COMMAND_LINE_SIZE of arch/riscv). */
export const COMMAND_LINE_LIMIT = 1024;

/** How a guest command sees its standard input. */
export const EXEC_STDIN = {
  /** Bytes of the console, framed by `StdinEncoder` so that an end of input can be told. */
  stream: 'stream',
  /** The terminal as it is: every byte reaches the command at once, there is no end of input. */
  raw: 'raw',
  /** /dev/null. */
  none: 'none',
} as const;
export type ExecStdin = (typeof EXEC_STDIN)[keyof typeof EXEC_STDIN];

/** What a caller may ask of the guest's /init. */
export interface GuestBoot {
  /** Shell command to run instead of an interactive shell. */
  readonly exec?: string;
  /** Distinguishes this run's markers from anything the command may print. Letters and digits; default `exec`. */
  readonly token?: string;
  /** Default `stream`. */
  readonly stdin?: ExecStdin;
  /** Device with an ext4 file system to work on, e.g. `/dev/vda`. */
  readonly root?: string;
  /** Program of the root disk to hand over to as process 1. */
  readonly init?: string;
  /** Terminal size in characters. */
  readonly rows?: number;
  readonly columns?: number;
  /** Virtio console whose size a shell's terminal follows: `hvc0`. */
  readonly size?: string;
  /** Value of TERM for the shell. */
  readonly term?: string;
  /** Kernel modules to load (with what they need) before the shell or command starts. */
  readonly modules?: readonly string[];
  /** Brings up the first network interface: with an address by `dhcp`, with `A.B.C.D/BITS`, or just `up`. */
  readonly net?: 'dhcp' | 'up' | (string & {});
  /** Start the agent of the session channel on the virtio console port named `hindsight.session`. */
  readonly session?: boolean;
  /** Names of shared folders; each is mounted at /mnt/NAME. */
  readonly shares?: readonly string[];
  /** Ethernet address for the first network interface, in place of its device's: `52:54:00:00:00:01`. */
  readonly mac?: string;
  /** The guest's name; default `hindsight`. */
  readonly hostname?: string;
}

const utf8 = new TextEncoder();
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Base64 (RFC 4648, section 4) of a text's UTF-8 bytes. */
export function base64(text: string): string {
  const bytes = utf8.encode(text);
  let out = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const bits = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const have = bytes.length - at;
    out += ALPHABET[bits >> 18]! + ALPHABET[(bits >> 12) & 63]!;
    out += have > 1 ? ALPHABET[(bits >> 6) & 63]! : '=';
    out += have > 2 ? ALPHABET[bits & 63]! : '=';
  }
  return out;
}

/**
 * The words that carry `boot` to /init.
 *
 * @throws RangeError when a value cannot be part of a command line.
 */
export function bootWords(boot: GuestBoot): string[] {
  const words: string[] = [];
  const add = (key: string, value: string | number | undefined, allowed: RegExp): void => {
    if (value === undefined) return;
    if (!allowed.test(String(value)))
      throw new RangeError(`${key}=${value}: this value cannot be part of a kernel command line`);
    words.push(`${key}=${value}`);
  };
  const name = /^[\w.,:@/+-]+$/;
  add('root', boot.root, name);
  add('hindsight.init', boot.init, name);
  add('hindsight.rows', boot.rows, /^[1-9]\d{0,3}$/);
  add('hindsight.cols', boot.columns, /^[1-9]\d{0,3}$/);
  add('hindsight.size', boot.size, /^[a-z]+\d+$/);
  add('hindsight.term', boot.term, name);
  add('hindsight.modules', boot.modules?.join(','), /^[\w,-]+$/);
  add('hindsight.net', boot.net, /^(dhcp|up|\d+(\.\d+){3}\/\d+)$/);
  add('hindsight.mac', boot.mac, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
  add('hindsight.shares', boot.shares?.join(','), /^[\w.,-]+$/);
  add('hindsight.hostname', boot.hostname, /^[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?$/);
  if (boot.session === true) words.push('hindsight.session');
  if (boot.exec !== undefined) {
    add('hindsight.token', boot.token, /^[A-Za-z0-9]+$/);
    add('hindsight.stdin', boot.stdin, /^(stream|raw|none)$/);
    words.push(`hindsight.exec=${base64(boot.exec)}`);
  }
  return words;
}

/**
 * A complete command line: `base` (the defaults unless given) and the words for `boot`.
 *
 * @throws RangeError when it is longer than the kernel keeps; a long command can travel in the initramfs instead
 * (see `commandArchive`).
 */
export function commandLine(boot: GuestBoot, base: string = DEFAULT_COMMAND_LINE): string {
  const line = [base, ...bootWords(boot)].filter((w) => w !== '').join(' ');
  const size = utf8.encode(line).length + 1;
  if (size > COMMAND_LINE_LIMIT) {
    throw new RangeError(
      `kernel command line of ${size} bytes: the kernel keeps ${COMMAND_LINE_LIMIT}; shorten it by ${size - COMMAND_LINE_LIMIT}`,
    );
  }
  return line;
}

/** The word that has /init wait for further words on the console, where machines are snapshotted. */
export const WAIT_WORD = 'hindsight.wait';

/** Characters of a line that a terminal takes for sure (it keeps 4096 bytes of one). */
const LONGEST_LINE = 1000;

/** What begins the words that are /init's alone; where it waits, all are. */
const PREFIX = /^hindsight\./;
/** A command that a terminal passes on as it is. */
const PLAIN_COMMAND = new RegExp(`^[ -~]{1,${LONGEST_LINE}}$`);

/**
 * What to type for /init where it waits: the words that carry `boot`, each on a line, and an empty line. All of it is read byte by byte: a word
 * that need not be there is left out.
 * @throws RangeError when a value cannot stand there
 */
export function bootLines({ exec, ...boot }: GuestBoot): string {
  const plain = exec !== undefined && PLAIN_COMMAND.test(exec);
  const words = bootWords({ ...boot, ...(exec !== undefined && { exec: plain ? '' : exec }) })
    .map((word) => word.replace(PREFIX, ''))
    .map((word) => (plain && word === 'exec=' ? `command=${exec}` : word));
  const lines = words.flatMap((word) => {
    if (plain || word.length <= LONGEST_LINE) return [word];
    // Only commands are that long, and they may come in pieces.
    const [key, value] = [word.slice(0, word.indexOf('=') + 1), word.slice(word.indexOf('=') + 1)];
    return (value.match(new RegExp(`.{1,${LONGEST_LINE - key.length}}`, 'g')) ?? []).map((piece) => key + piece);
  });
  return `${lines.join('\n')}\n\n`;
}
