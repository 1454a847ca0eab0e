import type { LinuxKernel } from './kernel.ts';

/**
 * The kernel's own virtual addresses of a physical one: in its linear mapping of all RAM, and in the mapping of its image. Programs and
 * their files are also read and written through these (Documentation/arch/riscv/vm-layout.rst).
 */
export function kernelAddresses(kernel: LinuxKernel, physical: bigint): bigint[] {
  const ram = kernel.pointer(kernel.address('phys_ram_base'));
  const linear = kernel.get('kernel_mapping', kernel.address('kernel_map'), 'page_offset') + physical - ram;
  const image = kernel.imageAddress(physical);
  return [linear, ...(image === undefined ? [] : [image])].filter((address) => kernel.resolve(address) === physical);
}
