/**
 * Writer of "newc" cpio archives, the format the kernel unpacks as an initramfs
 * (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
 *
 * Deterministic: the bytes depend on the entries alone. Entries are sorted by path, so that
 * directories precede their contents; owner is 0:0 and the time is 0 throughout.
 */

/** What an archive entry is. Paths are relative, without a leading or trailing slash. */
export type CpioEntry =
  | { readonly type: 'dir'; readonly path: string; readonly mode: number }
  | { readonly type: 'file'; readonly path: string; readonly mode: number; readonly data: Uint8Array }
  | { readonly type: 'link'; readonly path: string; readonly target: string }
  | {
      readonly type: 'char';
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

const HEADER_SIZE = 110;
const TRAILER = 'TRAILER!!!';
const FORMAT_BITS = { dir: 0o040000, file: 0o100000, link: 0o120000, char: 0o020000 } as const;

const encoder = new TextEncoder();

const padded = (size: number): number => (size + 3) & ~3;

const byPath = (a: CpioEntry, b: CpioEntry): number => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0);

/**
 * Packs entries into one uncompressed archive, its length a multiple of 4 so that archives may
 * be put one after the other.
 *
 * @throws RangeError when a path is empty, absolute, or given twice.
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const sorted = [...entries].sort(byPath);
  const plan = sorted.map((entry, index) => {
    if (entry.path === '' || entry.path.startsWith('/') || entry.path.endsWith('/')) {
      throw new RangeError(`cpio: path "${entry.path}" must be relative and name something`);
    }
    if (index > 0 && sorted[index - 1]!.path === entry.path) {
      throw new RangeError(`cpio: path "${entry.path}" is given twice`);
    }
    return { entry, name: encoder.encode(`${entry.path}\0`), data: payload(entry) };
  });
  const trailer = encoder.encode(`${TRAILER}\0`);
  let total = padded(HEADER_SIZE + trailer.length);
  for (const { name, data } of plan) total += padded(HEADER_SIZE + name.length) + padded(data.length);

  const out = new Uint8Array(total);
  let at = 0;
  const put = (fields: readonly number[], name: Uint8Array, data: Uint8Array): void => {
    out.set(encoder.encode(`070701${fields.map((f) => f.toString(16).toUpperCase().padStart(8, '0')).join('')}`), at);
    out.set(name, at + HEADER_SIZE);
    at += padded(HEADER_SIZE + name.length);
    out.set(data, at);
    at += padded(data.length);
  };
  plan.forEach(({ entry, name, data }, index) => {
    const mode = FORMAT_BITS[entry.type] | (entry.type === 'link' ? 0o777 : entry.mode);
    const [major, minor] = entry.type === 'char' ? [entry.major, entry.minor] : [0, 0];
    const links = entry.type === 'dir' ? 2 : 1;
    // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    put([index + 1, mode, 0, 0, links, 0, data.length, 0, 0, major, minor, name.length, 0], name, data);
  });
  put([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, trailer.length, 0], trailer, new Uint8Array(0));
  return out;
}

function payload(entry: CpioEntry): Uint8Array {
  if (entry.type === 'file') return entry.data;
  if (entry.type === 'link') return encoder.encode(entry.target);
  return new Uint8Array(0);
}
