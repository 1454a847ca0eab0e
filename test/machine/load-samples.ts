/** Kernel-shaped files, made by hand. */

/** A Linux Image: header of `size` bytes' file with `fields` set. */
export function linuxImage(
  options: {
    size?: number;
    textOffset?: number;
    imageSize?: number;
    flags?: number;
    pe?: { machine?: number; end?: number };
  } = {},
): Uint8Array {
  const { size = 4096, textOffset = 0x20_0000, imageSize = 8192, flags = 0, pe } = options;
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  view.setBigUint64(8, BigInt(textOffset), true);
  view.setBigUint64(16, BigInt(imageSize), true);
  view.setBigUint64(24, BigInt(flags), true);
  view.setUint32(32, 2, true);
  out.set(new TextEncoder().encode('RISCV\0\0\0RSC\x05'), 48);
  if (pe) {
    out.set(new TextEncoder().encode('MZ'));
    view.setUint32(60, 64, true);
    out.set(new TextEncoder().encode('PE\0\0'), 64);
    view.setUint16(68, pe.machine ?? 0x5064, true);
    view.setUint16(70, 1, true);
    view.setUint16(84, 160, true);
    const section = 64 + 24 + 160;
    view.setUint32(section + 16, (pe.end ?? size) - 1024, true);
    view.setUint32(section + 20, 1024, true);
  }
  return out;
}

export interface ElfOptions {
  machine?: number;
  class?: number;
  data?: number;
  type?: number;
  entry?: bigint;
  /** Program headers: type (default PT_LOAD), addresses, bytes in the file, bytes in memory. */
  segments?: {
    type?: number;
    physical: bigint;
    virtual?: bigint;
    bytes?: Uint8Array;
    fileSize?: number;
    memorySize?: number;
  }[];
}

/** An ELF64 file whose segments' bytes follow its headers. */
export function elf(options: ElfOptions = {}): Uint8Array {
  const { machine = 243, class: width = 2, data = 1, type = 2, entry = 0x8020_0000n } = options;
  const segments = options.segments ?? [{ physical: 0x8020_0000n, bytes: new Uint8Array(256).fill(0x13) }];
  const bodies = segments.map((s) => s.bytes ?? new Uint8Array(16));
  const bodyAt = 64 + segments.length * 56;
  const out = new Uint8Array(bodyAt + bodies.reduce((n, b) => n + b.length, 0));
  const view = new DataView(out.buffer);
  const little = data === 1;
  out.set([0x7f, 0x45, 0x4c, 0x46, width, data, 1]);
  view.setUint16(16, type, little);
  view.setUint16(18, machine, little);
  view.setBigUint64(24, entry, little);
  view.setBigUint64(32, 64n, little);
  view.setUint16(54, 56, little);
  view.setUint16(56, segments.length, little);
  let at = bodyAt;
  segments.forEach((s, i) => {
    const header = 64 + i * 56;
    const body = bodies[i]!;
    view.setUint32(header, s.type ?? 1, true);
    view.setBigUint64(header + 8, BigInt(at), true);
    view.setBigUint64(header + 16, s.virtual ?? s.physical, true);
    view.setBigUint64(header + 24, s.physical, true);
    view.setBigUint64(header + 32, BigInt(s.fileSize ?? body.length), true);
    view.setBigUint64(header + 40, BigInt(s.memorySize ?? body.length), true);
    out.set(body, at);
    at += body.length;
  });
  return out;
}

/** A file of `size` bytes with `magic` at an offset, otherwise zeros. */
export function fileWith(magic: string, at: number, size = 0x9000): Uint8Array {
  const out = new Uint8Array(size);
  out.set(
    Array.from(magic, (c) => c.charCodeAt(0)),
    at,
  );
  return out;
}
