import { concat } from '../bytes/concat.ts';
import type { GuestCommand } from './command.ts';
import { OPERATION } from './frames.ts';

/** Type bits of st_mode (inode(7)). */
const TYPE_BITS = 0o170000;
const KINDS: ReadonlyMap<number, FileKind> = new Map([
  [0o010000, 'fifo'],
  [0o020000, 'character device'],
  [0o040000, 'directory'],
  [0o060000, 'block device'],
  [0o100000, 'file'],
  [0o120000, 'symbolic link'],
  [0o140000, 'socket'],
]);

export type FileKind =
  | 'file'
  | 'directory'
  | 'symbolic link'
  | 'fifo'
  | 'socket'
  | 'character device'
  | 'block device'
  | 'unknown';

/** What is known of a file in the guest. */
export interface FileInfo {
  /** In a listing the name within the folder, otherwise the path that was asked for. */
  readonly name: string;
  readonly kind: FileKind;
  /** Bytes. */
  readonly size: number;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Last change of the contents, nanoseconds since 1970. */
  readonly modified: bigint;
  /** Where a symbolic link points. */
  readonly target?: string;
}

/** How files reach the guest: operations and programs that read standard input and write standard output. */
export interface FileAccess {
  operate(what: string, operation: number, words: readonly string[]): GuestCommand;
  spawn(command: readonly string[]): GuestCommand;
}

/** Files of the guest. Paths are the guest's, absolute or below the working directory `/`. */
export class GuestFiles {
  private readonly access: FileAccess;

  constructor(access: FileAccess) {
    this.access = access;
  }

  /** The contents of a file. @throws GuestError */
  async read(path: string): Promise<Uint8Array> {
    return this.run(`read ${path}`, OPERATION.READ, [path]);
  }

  /** The contents of a file as UTF-8. @throws GuestError */
  async readText(path: string): Promise<string> {
    return new TextDecoder().decode(await this.read(path));
  }

  /**
   * Creates a file or replaces its contents.
   * @param mode permission bits; a new file has 0600 without, one that was there keeps its own @throws GuestError
   */
  async write(
    path: string,
    data: string | Uint8Array | AsyncIterable<Uint8Array>,
    options: { readonly mode?: number } = {},
  ): Promise<void> {
    const command = this.access.operate(`write ${path}`, OPERATION.WRITE, [path, options.mode?.toString(8) ?? '']);
    await feed(command, data);
    await command.exit;
  }

  /** What a folder holds, by name. @throws GuestError */
  async list(path: string): Promise<FileInfo[]> {
    const entries = readEntries(await this.run(`list ${path}`, OPERATION.LIST, [path]));
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** What is known of a file; of a symbolic link itself, not of what it points to. @throws GuestError */
  async stat(path: string): Promise<FileInfo> {
    return readEntries(await this.run(`stat ${path}`, OPERATION.STAT, [path]))[0]!;
  }

  /** Makes a folder and those above it; one that is there is left as it is. @throws GuestError */
  async mkdir(path: string, options: { readonly mode?: number } = {}): Promise<void> {
    await this.run(`mkdir ${path}`, OPERATION.MKDIR, [path, (options.mode ?? 0o755).toString(8)]);
  }

  /** Removes a file, or a folder with all that is in it. @throws GuestError */
  async remove(path: string): Promise<void> {
    await this.run(`remove ${path}`, OPERATION.REMOVE, [path]);
  }

  /** Renames a file or folder; replaces a file of that name. @throws GuestError */
  async rename(from: string, to: string): Promise<void> {
    await this.run(`rename ${from}`, OPERATION.RENAME, [from, to]);
  }

  /** Makes a symbolic link that points to `target`, in place of a link or file that is there: by the guest's `ln`. @throws Error with what ln said */
  async symlink(target: string, path: string): Promise<void> {
    const command = this.access.spawn(['ln', '-snf', target, path]);
    command.end();
    await finished(command, `link ${path}`);
  }

  /** A folder with all that is in it, as a tar archive: by the guest's `tar`. @throws GuestError, Error with what tar said */
  async pack(path: string): Promise<Uint8Array> {
    return finished(this.access.spawn(['tar', '-C', path, '-cf', '-', '.']), `pack ${path}`);
  }

  /** Unpacks a tar archive into a folder, which is made. @throws GuestError, Error with what tar said */
  async unpack(path: string, archive: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    await this.mkdir(path);
    const command = this.access.spawn(['tar', '-C', path, '-xf', '-']);
    await Promise.all([finished(command, `unpack ${path}`), feed(command, archive)]);
  }

  private run(what: string, operation: number, words: readonly string[]): Promise<Uint8Array> {
    const command = this.access.operate(what, operation, words);
    command.end();
    return finished(command, what);
  }
}

/** Writes all of it to a command's standard input, as fast as it is read, and ends it. */
export async function feed(
  command: GuestCommand,
  data: string | Uint8Array | AsyncIterable<Uint8Array>,
): Promise<void> {
  if (typeof data === 'string' || data instanceof Uint8Array) await command.write(data);
  else for await (const chunk of data) await command.write(chunk);
  command.end();
}

/** All of an output. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return concat(chunks);
}

async function finished(command: GuestCommand, what: string): Promise<Uint8Array> {
  const [output, complaint, { exitCode }] = await Promise.all([
    collect(command.stdout),
    collect(command.stderr),
    command.exit,
  ]);
  if (exitCode !== 0)
    throw new Error(`${what}: ${new TextDecoder().decode(complaint).trim() || `exit status ${exitCode}`}`);
  return output;
}

/** Reads the entries that the agent's LIST and STAT print; see `describe` in src/guest/agent/agent.c. */
function readEntries(bytes: Uint8Array): FileInfo[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const utf8 = new TextDecoder();
  const entries: FileInfo[] = [];
  for (let at = 0; at < bytes.length; ) {
    const mode = view.getUint32(at, true);
    const nameEnd = at + 30 + view.getUint16(at + 28, true);
    const targetEnd = nameEnd + 2 + view.getUint16(nameEnd, true);
    entries.push({
      name: utf8.decode(bytes.subarray(at + 30, nameEnd)),
      kind: KINDS.get(mode & TYPE_BITS) ?? 'unknown',
      size: Number(view.getBigUint64(at + 12, true)),
      mode: mode & 0o7777,
      uid: view.getUint32(at + 4, true),
      gid: view.getUint32(at + 8, true),
      modified: view.getBigUint64(at + 20, true),
      ...(targetEnd > nameEnd + 2 && { target: utf8.decode(bytes.subarray(nameEnd + 2, targetEnd)) }),
    });
    at = targetEnd;
  }
  return entries;
}
