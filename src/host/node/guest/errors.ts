/** Errors of making a guest, worded for the user who asked for it. */

/** What to do where Debian packages cannot be fetched. */
export const BRING_YOUR_OWN = [
  'Bring the images instead, made on a Debian machine (or any container of one) with `hindsight guest build --disk`:',
  "  --kernel FILE  a riscv64 Linux kernel: /boot/vmlinux-* of Debian's linux-image-*-riscv64 package, or any raw Image",
  '  --initrd FILE  an initramfs (cpio) whose /init suits that kernel',
  '  --disk FILE    a raw disk image, e.g. with an ext4 file system, if the run wants one',
  '`hindsight guest list` on that machine says where its files are.',
].join('\n');

/** A guest could not be made; the message says why and what to do. */
export class GuestBuildError extends Error {
  override readonly name = 'GuestBuildError';
}
