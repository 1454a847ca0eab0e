import { type ChildProcess, spawn } from 'node:child_process';
import { ERRNO, type Errno } from '../../../errno.ts';
import { FsError } from '../../../fs/errno.ts';
import { bytesName, type Name, nameBytes } from '../../../fs/file-system.ts';

/** What of the attributes is shared: those of the user (xattr(7)). Those of the system say what the host's kernel is to do with a file. */
const SHARED = 'user.';
/** The descriptor that a program finds the file by. */
const FILE = '/proc/self/fd/3';
/** Flags of setxattr(2). */
const CREATE = 1;
const REPLACE = 2;
/** Longest name (XATTR_NAME_MAX). */
const NAME_MAX = 255;

/** Errors by the texts that the programs print, strerror(3)'s in the C locale. */
const TEXTS: ReadonlyMap<string, Errno> = new Map([
  ...[...ERRNO.values()].map(([name, text]) => [text, name] as const),
  ['No such attribute', 'ENODATA'],
]);

/**
 * Runs a program of Debian's package `attr`, for Node has no system call for extended attributes.
 * @param fd the file
 * @throws FsError EOPNOTSUPP when the program is not on this machine, else what it says
 */
function attr(program: 'getfattr' | 'setfattr', args: readonly string[], fd: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(program, [...args, '--', FILE], {
      stdio: ['ignore', 'pipe', 'pipe', fd],
      env: { ...process.env, LC_ALL: 'C' },
    });
    const out: Buffer[] = [];
    let message = '';
    child.stdout!.on('data', (bytes: Buffer) => out.push(bytes));
    child.stderr!.on('data', (bytes: Buffer) => (message += bytes.toString('latin1')));
    child.on('error', () => reject(new FsError('EOPNOTSUPP', `${program} of Debian's package attr is not here`)));
    child.on('close', (status) => {
      if (status === 0) return resolve(Buffer.concat(out));
      const [line] = message.split('\n');
      reject(new FsError(TEXTS.get(line.slice(line.lastIndexOf(': ') + 2)) ?? 'EIO', `${program}: ${line}`));
    });
  });
}

/** The name as an argument. @throws FsError EOPNOTSUPP for one that is not shared, or is no text */
export function attributeName(name: Name): string {
  if (!name.startsWith(SHARED)) throw new FsError('EOPNOTSUPP');
  if (name.length === SHARED.length) throw new FsError('EINVAL');
  if (name.length > NAME_MAX) throw new FsError('ERANGE');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(nameBytes(name));
  } catch {
    throw new FsError('EOPNOTSUPP', 'names of attributes are UTF-8 in a share');
  }
}

/** An attribute's value. @throws FsError ENODATA (as a rejection) */
export function getAttribute(fd: number, name: Name): Promise<Uint8Array> {
  return attr('getfattr', ['--absolute-names', '--only-values', '-n', attributeName(name)], fd);
}

/** Names of the attributes that are shared. */
export async function listAttributes(fd: number): Promise<Name[]> {
  const dump = await attr('getfattr', ['--absolute-names', '-m', '^user\\.'], fd);
  return bytesName(dump)
    .split('\n')
    .filter((line) => line.startsWith(SHARED))
    .map((line) => line.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
}

/** Sets an attribute. @param flags XATTR_CREATE or XATTR_REPLACE: whether it must not, or must, be there; 0 for both */
export async function setAttribute(fd: number, name: Name, value: Uint8Array, flags: number): Promise<void> {
  const wanted = attributeName(name);
  if (flags !== 0) {
    const there = (await listAttributes(fd)).includes(name);
    if (there && flags === CREATE) throw new FsError('EEXIST');
    if (!there && flags === REPLACE) throw new FsError('ENODATA');
  }
  const text = value.length === 0 ? '' : `0s${Buffer.from(value).toString('base64')}`;
  await attr('setfattr', ['-n', wanted, '-v', text], fd);
}

/** @throws FsError ENODATA (as a rejection) */
export async function removeAttribute(fd: number, name: Name): Promise<void> {
  await attr('setfattr', ['-x', attributeName(name)], fd);
}
