/** Flags of system calls as bits with names; what is left over is shown as a number. Values are those of asm-generic. */
export type FlagTable = readonly (readonly [value: number, name: string])[];

/** Open flags (include/uapi/asm-generic/fcntl.h), without the access mode, which is no bit. */
const OPEN: FlagTable = [
  [0x40, 'O_CREAT'],
  [0x80, 'O_EXCL'],
  [0x100, 'O_NOCTTY'],
  [0x200, 'O_TRUNC'],
  [0x400, 'O_APPEND'],
  [0x800, 'O_NONBLOCK'],
  [0x101000, 'O_SYNC'],
  [0x1000, 'O_DSYNC'],
  [0x4000, 'O_DIRECT'],
  [0x8000, 'O_LARGEFILE'],
  [0x410000, 'O_TMPFILE'],
  [0x10000, 'O_DIRECTORY'],
  [0x20000, 'O_NOFOLLOW'],
  [0x40000, 'O_NOATIME'],
  [0x80000, 'O_CLOEXEC'],
  [0x200000, 'O_PATH'],
];
const ACCESS_MODES = ['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'];
const AT: FlagTable = [
  [0x100, 'AT_SYMLINK_NOFOLLOW'],
  [0x200, 'AT_REMOVEDIR'],
  [0x400, 'AT_SYMLINK_FOLLOW'],
  [0x800, 'AT_NO_AUTOMOUNT'],
  [0x1000, 'AT_EMPTY_PATH'],
];
const PROT: FlagTable = [
  [1, 'PROT_READ'],
  [2, 'PROT_WRITE'],
  [4, 'PROT_EXEC'],
];
const MAP: FlagTable = [
  [1, 'MAP_SHARED'],
  [2, 'MAP_PRIVATE'],
  [0x10, 'MAP_FIXED'],
  [0x20, 'MAP_ANONYMOUS'],
  [0x100, 'MAP_GROWSDOWN'],
  [0x800, 'MAP_DENYWRITE'],
  [0x2000, 'MAP_LOCKED'],
  [0x4000, 'MAP_NORESERVE'],
  [0x8000, 'MAP_POPULATE'],
  [0x20000, 'MAP_STACK'],
  [0x40000, 'MAP_HUGETLB'],
  [0x100000, 'MAP_FIXED_NOREPLACE'],
];
const CLONE: FlagTable = [
  [0x100, 'CLONE_VM'],
  [0x200, 'CLONE_FS'],
  [0x400, 'CLONE_FILES'],
  [0x800, 'CLONE_SIGHAND'],
  [0x1000, 'CLONE_PIDFD'],
  [0x2000, 'CLONE_PTRACE'],
  [0x4000, 'CLONE_VFORK'],
  [0x8000, 'CLONE_PARENT'],
  [0x10000, 'CLONE_THREAD'],
  [0x20000, 'CLONE_NEWNS'],
  [0x40000, 'CLONE_SYSVSEM'],
  [0x80000, 'CLONE_SETTLS'],
  [0x100000, 'CLONE_PARENT_SETTID'],
  [0x200000, 'CLONE_CHILD_CLEARTID'],
  [0x1000000, 'CLONE_CHILD_SETTID'],
];
const WAIT: FlagTable = [
  [1, 'WNOHANG'],
  [2, 'WSTOPPED'],
  [4, 'WEXITED'],
  [8, 'WCONTINUED'],
];
const PIPE: FlagTable = [
  [0x800, 'O_NONBLOCK'],
  [0x4000, 'O_DIRECT'],
  [0x80000, 'O_CLOEXEC'],
];
const SEEK = ['SEEK_SET', 'SEEK_CUR', 'SEEK_END', 'SEEK_DATA', 'SEEK_HOLE'];

/** Signals by number (include/uapi/asm-generic/signal.h). */
export const SIGNALS = [
  '0',
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGKILL',
  'SIGUSR1',
  'SIGSEGV',
  'SIGUSR2',
  'SIGPIPE',
  'SIGALRM',
  'SIGTERM',
  'SIGSTKFLT',
  'SIGCHLD',
  'SIGCONT',
  'SIGSTOP',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGURG',
  'SIGXCPU',
  'SIGXFSZ',
  'SIGVTALRM',
  'SIGPROF',
  'SIGWINCH',
  'SIGIO',
  'SIGPWR',
  'SIGSYS',
] as const;

/** Flags by their names, joined by `|`; 0 where none is set. */
function flags(value: number, table: FlagTable, first?: string): string {
  const names = first === undefined ? [] : [first];
  let left = value;
  for (const [bits, name] of table) {
    if ((left & bits) !== bits) continue;
    names.push(name);
    left &= ~bits;
  }
  if (left !== 0) names.push(`0x${(left >>> 0).toString(16)}`);
  return names.length === 0 ? '0' : names.join('|');
}

/** Flags of open(2) by their names. */
export const openFlags = (value: number): string => flags(value & ~3, OPEN, ACCESS_MODES[value & 3]);
const octal = (value: number): string => `0${(value & 0o7777).toString(8)}`;
const oneOf =
  (names: readonly string[]) =>
  (value: number): string =>
    names[value] ?? String(value);
const of =
  (table: FlagTable) =>
  (value: number): string =>
    flags(value, table);
/** A signal by its name. */
export const signalName = (value: number): string =>
  SIGNALS[value] ?? (value < 65 ? `SIGRT_${value - 32}` : String(value));
const cloneFlags = (value: number): string => {
  const ends = value & 0xff;
  return flags(value & ~0xff, CLONE) + (ends === 0 ? '' : `|${signalName(ends)}`);
};

/** How an argument that is a set of flags or a choice is shown, by system call and parameter. */
export const ARGUMENT_TEXT: Readonly<Record<string, (value: number) => string>> = {
  'openat.flags': openFlags,
  'openat.mode': octal,
  'mkdirat.mode': octal,
  'fchmodat.mode': octal,
  'fchmod.mode': octal,
  'umask.mask': octal,
  'faccessat.mode': of([
    [4, 'R_OK'],
    [2, 'W_OK'],
    [1, 'X_OK'],
  ]),
  'newfstatat.flag': of(AT),
  'statx.flags': of(AT),
  'unlinkat.flag': of(AT),
  'linkat.flags': of(AT),
  'mmap.prot': of(PROT),
  'mmap.flags': of(MAP),
  'mprotect.prot': of(PROT),
  'clone.clone_flags': cloneFlags,
  'wait4.options': of(WAIT),
  'waitid.options': of(WAIT),
  'pipe2.flags': of(PIPE),
  'dup3.flags': openFlags,
  'lseek.whence': oneOf(SEEK),
  'kill.sig': signalName,
  'tgkill.sig': signalName,
  'tkill.sig': signalName,
  'rt_sigaction.sig': signalName,
  'rt_sigprocmask.how': oneOf(['SIG_BLOCK', 'SIG_UNBLOCK', 'SIG_SETMASK']),
};
