/**
 * Reader of tar streams as Debian packages carry them: ustar (POSIX.1-1988) with GNU's long names
 * and base-256 numbers, and pax `path` and `linkpath` records (POSIX.1-2001, pax).
 */

/** One member of an archive. */
export interface TarEntry {
  /** Path without leading `./` or `/` and without trailing `/`; empty for the root directory. */
  readonly path: string;
  readonly type: 'file' | 'dir' | 'symlink' | 'hardlink' | 'other';
  /** Permission bits, with set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Target of a link; of a hard link, in the form of `path`. */
  readonly target: string;
  /** Contents of a file that was wanted, otherwise empty. */
  readonly data: Uint8Array;
}

const BLOCK = 512;
const TYPES: Readonly<Record<string, TarEntry['type']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'dir',
};
const utf8 = new TextDecoder();
const clean = (path: string): string =>
  path
    .replace(/^(\.?\/)+/, '')
    .replace(/\/+$/, '')
    .replace(/^\.$/, '');

/**
 * Takes an archive's bytes in any pieces and reports its members in order.
 */
export class TarReader {
  private header = new Uint8Array(BLOCK);
  private have = 0;
  private body: Uint8Array | undefined;
  private bodyLeft = 0;
  private padLeft = 0;
  private bodyAt = 0;
  private pending: TarEntry | undefined;
  private pendingMeta = '';
  private longPath: string | undefined;
  private longTarget: string | undefined;
  private ended = false;
  private readonly onEntry: (entry: TarEntry) => void;
  private readonly wants: (path: string) => boolean;

  /** @param wants Says of a file's path whether its contents are to be kept. */
  constructor(onEntry: (entry: TarEntry) => void, wants: (path: string) => boolean = () => true) {
    this.onEntry = onEntry;
    this.wants = wants;
  }

  /** @throws Error when a header's checksum is wrong. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.ended) {
      if (this.bodyLeft > 0) {
        const take = Math.min(this.bodyLeft, chunk.length - at);
        this.body?.set(chunk.subarray(at, at + take), this.bodyAt);
        this.bodyAt += take;
        this.bodyLeft -= take;
        at += take;
        if (this.bodyLeft === 0) this.finish();
      } else if (this.padLeft > 0) {
        const take = Math.min(this.padLeft, chunk.length - at);
        this.padLeft -= take;
        at += take;
      } else {
        const take = Math.min(BLOCK - this.have, chunk.length - at);
        this.header.set(chunk.subarray(at, at + take), this.have);
        this.have += take;
        at += take;
        if (this.have === BLOCK) this.begin();
      }
    }
  }

  /** @throws Error when the archive stopped in the middle of a member. */
  end(): void {
    if (this.bodyLeft > 0 || (this.have > 0 && !this.ended))
      throw new Error('tar: the archive ends in the middle of a member');
  }

  private begin(): void {
    const header = this.header;
    this.have = 0;
    if (header.every((byte) => byte === 0)) {
      this.ended = true;
      return;
    }
    const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
    if (sum !== this.number(148, 8))
      throw new Error(`tar: header with checksum ${this.number(148, 8)}, expected ${sum}`);
    const size = this.number(124, 12);
    const flag = String.fromCharCode(header[156]!);
    const prefix = this.text(257, 5) === 'ustar' && header[263] === 0x30 ? this.text(345, 155) : '';
    const name = this.text(0, 100);
    const path = clean(this.longPath ?? (prefix === '' ? name : `${prefix}/${name}`));
    const target = this.longTarget ?? this.text(157, 100);
    this.pendingMeta = flag === 'L' || flag === 'K' || flag === 'x' || flag === 'g' ? flag : '';
    const type = TYPES[flag] ?? 'other';
    const keep = this.pendingMeta !== '' || (type === 'file' && this.wants(path));
    this.body = keep ? new Uint8Array(size) : undefined;
    this.pending = {
      path,
      type,
      target: type === 'hardlink' ? clean(target) : target,
      mode: this.number(100, 8) & 0o7777,
      uid: this.number(108, 8),
      gid: this.number(116, 8),
      mtime: this.number(136, 12),
      data: this.body ?? new Uint8Array(0),
    };
    this.bodyAt = 0;
    this.bodyLeft = size;
    this.padLeft = (BLOCK - (size % BLOCK)) % BLOCK;
    if (size === 0) this.finish();
  }

  private finish(): void {
    const entry = this.pending!;
    if (this.pendingMeta === '') {
      this.longPath = this.longTarget = undefined;
      this.onEntry(entry);
      return;
    }
    const content = utf8.decode(entry.data).replace(/\0+$/, '');
    if (this.pendingMeta === 'L') this.longPath = content;
    else if (this.pendingMeta === 'K') this.longTarget = content;
    else if (this.pendingMeta === 'x') {
      this.longPath = /(?:^|\n)\d+ path=([^\n]*)/.exec(content)?.[1] ?? this.longPath;
      this.longTarget = /(?:^|\n)\d+ linkpath=([^\n]*)/.exec(content)?.[1] ?? this.longTarget;
    }
  }

  private text(at: number, length: number): string {
    const field = this.header.subarray(at, at + length);
    const end = field.indexOf(0);
    return utf8.decode(end < 0 ? field : field.subarray(0, end));
  }

  private number(at: number, length: number): number {
    if ((this.header[at]! & 0x80) === 0) return parseInt(this.text(at, length).trim() || '0', 8);
    return this.header.subarray(at + 1, at + length).reduce((total, byte) => total * 256 + byte, 0);
  }
}
