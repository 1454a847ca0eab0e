import { fields, matches } from './bytes.ts';
import { compressionOf } from './compressed.ts';

/** What a file that is no RISC-V program turned out to be. */
export interface Foreign {
  /** With its article, e.g. `an x86 kernel (bzImage)`. */
  readonly what: string;
  /** What to do about it, when there is more to say than "bring a RISC-V kernel". */
  readonly advice?: string;
}

const INITRD_ADVICE = 'Pass it with --initrd, and a kernel with --kernel';
const DISK_ADVICE = 'Pass it with --disk, and a kernel with --kernel';

/** Formats that get mistaken for a kernel, told by bytes at an offset. More particular ones come first. */
const FORMATS: readonly (Foreign & { readonly at: number; readonly magic: string | readonly number[] })[] = [
  { at: 0x202, magic: 'HdrS', what: 'an x86 kernel (bzImage)' },
  { at: 0x38, magic: 'ARM\x64', what: 'an arm64 (aarch64) kernel Image' },
  { at: 0x24, magic: [0x18, 0x28, 0x6f, 0x01], what: 'a 32-bit ARM kernel (zImage)' },
  { at: 0x38, magic: [0xcd, 0x23, 0x82, 0x81], what: 'a LoongArch kernel Image' },
  {
    at: 0,
    magic: [0x27, 0x05, 0x19, 0x56],
    what: 'a U-Boot uImage',
    advice: 'Take the raw kernel Image it was made from',
  },
  {
    at: 0,
    magic: [0xd0, 0x0d, 0xfe, 0xed],
    what: 'a device tree or a U-Boot FIT image',
    advice: 'The machine makes its own device tree; pass a raw kernel Image',
  },
  { at: 0, magic: '070701', what: 'an initial RAM disk (cpio)', advice: INITRD_ADVICE },
  { at: 0, magic: '070702', what: 'an initial RAM disk (cpio)', advice: INITRD_ADVICE },
  {
    at: 0,
    magic: '!<arch>\n',
    what: 'an archive (a .deb package or a static library)',
    advice: 'Unpack the package and take its boot/vmlinux-* file: dpkg-deb -x FILE DIR',
  },
  { at: 0, magic: 'QFI\xfb', what: 'a qcow2 disk image', advice: DISK_ADVICE },
  { at: 0x8001, magic: 'CD001', what: 'an ISO 9660 disk image', advice: DISK_ADVICE },
  { at: 0x438, magic: [0x53, 0xef], what: 'an ext2/3/4 disk image', advice: DISK_ADVICE },
  { at: 0, magic: 'ANDROID!', what: 'an Android boot image' },
  { at: 0, magic: 'PK\x03\x04', what: 'a ZIP archive', advice: 'Unpack it and take the kernel from it' },
  { at: 257, magic: 'ustar', what: 'a tar archive', advice: 'Unpack it and take the kernel from it' },
  { at: 0, magic: '#!', what: 'a script' },
  { at: 0, magic: '\xcf\xfa\xed\xfe', what: 'a macOS program (Mach-O)' },
  { at: 0, magic: '\0asm', what: 'a WebAssembly module' },
];

/** Machines of PE/COFF files (`Machine` in the COFF header). */
const PE_MACHINES: Readonly<Record<number, string>> = {
  332: 'i386',
  34404: 'x86-64',
  43620: 'arm64',
  448: 'ARM',
  20530: '32-bit RISC-V',
  20580: '64-bit RISC-V',
  25188: 'LoongArch',
};

/** Names what a file is that was taken for a RISC-V kernel or firmware, or undefined when nothing is recognised. */
export function recogniseForeign(bytes: Uint8Array): Foreign | undefined {
  const format = FORMATS.find((f) => matches(bytes, f.at, f.magic));
  if (format) return format;
  const compression = compressionOf(bytes);
  if (compression)
    return {
      what: `a file compressed with ${compression.name}`,
      advice: `Unpack it first with ${compression.command}`,
    };
  if (matches(bytes, 0, 'MZ')) return { what: `an EFI or Windows program${peMachine(bytes)}` };
  if (isText(bytes)) return { what: 'a text file', advice: 'Perhaps a download saved an error page' };
  return undefined;
}

function peMachine(bytes: Uint8Array): string {
  if (bytes.length < 64) return '';
  const at = fields(bytes).getUint32(60, true);
  if (!matches(bytes, at, 'PE\0\0') || at + 6 > bytes.length) return '';
  const machine = PE_MACHINES[fields(bytes).getUint16(at + 4, true)];
  return machine ? ` for ${machine}` : '';
}

/** Whether the beginning is printable text only. */
function isText(bytes: Uint8Array): boolean {
  const start = bytes.subarray(0, 256);
  return start.length > 0 && start.every((b) => (b >= 0x20 && b < 0x7f) || b === 9 || b === 10 || b === 13);
}
