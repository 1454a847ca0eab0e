import type { LinuxKernel } from './kernel.ts';

const DEPTH = 64;

/** The absolute path that a `struct path` names, through mount points. */
export function pathOf(kernel: LinuxKernel, path: bigint): string {
  let dentry = kernel.get('path', path, 'dentry');
  const vfsmount = BigInt(kernel.field('mount', 'mnt').offset);
  let mount = kernel.get('path', path, 'mnt') - vfsmount;
  const names: string[] = [];
  for (let depth = 0; depth < DEPTH && dentry !== 0n; depth++) {
    const parent = kernel.get('dentry', dentry, 'd_parent');
    if (parent !== dentry && dentry !== kernel.get('mount', mount, 'mnt.mnt_root')) {
      names.unshift(kernel.text(kernel.get('dentry', dentry, 'd_name.name'), 256));
      dentry = parent;
      continue;
    }
    const above = kernel.get('mount', mount, 'mnt_parent');
    if (above === mount || above === 0n) break;
    dentry = kernel.get('mount', mount, 'mnt_mountpoint');
    mount = above;
  }
  return `/${names.join('/')}`;
}
