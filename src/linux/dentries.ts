import type { LinuxKernel } from './kernel.ts';
import type { Place } from './path.ts';

const LIMIT = 100_000;

/** The names in a directory that the kernel has looked up, or that exist in its memory alone. */
function* children(kernel: LinuxKernel, dentry: bigint): Generator<bigint> {
  if (!kernel.has('dentry', 'd_children')) {
    yield* kernel.list(kernel.at('dentry', dentry, 'd_subdirs'), 'dentry', 'd_child');
    return;
  }
  const offset = BigInt(kernel.field('dentry', 'd_sib').offset);
  let at = kernel.get('dentry', dentry, 'd_children.first');
  for (let n = 0; at !== 0n && n < LIMIT; n++, at = kernel.pointer(at)) yield at - offset;
}

/**
 * A name in a directory, as far as the kernel's directory cache holds it.
 * @returns address of its dentry, 0 for one that the kernel knows not to exist, undefined when it does not know
 */
export function cachedName(kernel: LinuxKernel, directory: bigint, name: string): bigint | undefined {
  const wanted = new TextEncoder().encode(name);
  for (const dentry of children(kernel, directory)) {
    const get = (path: string): bigint => kernel.get('dentry', dentry, path);
    if (get('d_name.len') !== BigInt(wanted.length)) continue;
    const bytes = kernel.read(get('d_name.name'), wanted.length);
    if (bytes.length < wanted.length || wanted.some((byte, i) => byte !== bytes[i])) continue;
    // One that was removed while somebody has it open.
    if (get('d_hash.pprev') === 0n) continue;
    return get('d_inode') === 0n ? 0n : dentry;
  }
  return undefined;
}

/** What is seen at a place: the root of what is mounted there, or the place itself. */
export function throughMounts(kernel: LinuxKernel, place: Place): Place {
  const offset = BigInt(kernel.field('mount', 'mnt').offset);
  let seen = place;
  for (let depth = 0; depth < 64; depth++) {
    const mounts = kernel.list(kernel.at('mount', seen.mount - offset, 'mnt_mounts'), 'mount', 'mnt_child');
    const above = [...mounts].find((mount) => kernel.get('mount', mount, 'mnt_mountpoint') === seen.dentry);
    if (above === undefined) return seen;
    const mount = above + offset;
    seen = { dentry: kernel.get('vfsmount', mount, 'mnt_root'), mount };
  }
  return seen;
}
