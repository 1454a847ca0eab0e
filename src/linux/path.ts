import type { LinuxKernel } from './kernel.ts';

const DEPTH = 64;

/** A place in the guest's tree of mounts: addresses of a dentry and of the `struct vfsmount` it is seen in. */
export interface Place {
  readonly dentry: bigint;
  readonly mount: bigint;
}

/** The place that a `struct path` names. */
const placeAt = (kernel: LinuxKernel, path: bigint): Place => ({
  dentry: kernel.get('path', path, 'dentry'),
  mount: kernel.get('path', path, 'mnt'),
});

/** Where a task's absolute paths begin (chroot(2)); undefined for one that has ended. */
export function rootOf(kernel: LinuxKernel, task: bigint): Place | undefined {
  const fs = kernel.get('task_struct', task, 'fs');
  return fs === 0n ? undefined : placeAt(kernel, kernel.at('fs_struct', fs, 'root'));
}

/** The absolute path that a `struct path` names, through mount points. @param root where paths begin, the guest's own root if not given */
export function pathOf(kernel: LinuxKernel, path: bigint, root?: Place): string {
  const vfsmount = BigInt(kernel.field('mount', 'mnt').offset);
  let { dentry, mount } = placeAt(kernel, path);
  const names: string[] = [];
  for (let depth = 0; depth < DEPTH && dentry !== 0n; depth++) {
    if (dentry === root?.dentry && mount === root.mount) break;
    const parent = kernel.get('dentry', dentry, 'd_parent');
    if (parent !== dentry && dentry !== kernel.get('vfsmount', mount, 'mnt_root')) {
      names.unshift(kernel.text(kernel.get('dentry', dentry, 'd_name.name'), 256));
      dentry = parent;
      continue;
    }
    const above = kernel.get('mount', mount - vfsmount, 'mnt_parent');
    if (above + vfsmount === mount || above === 0n) break;
    dentry = kernel.get('mount', mount - vfsmount, 'mnt_mountpoint');
    mount = above + vfsmount;
  }
  return `/${names.join('/')}`;
}
