import { matches } from './bytes.ts';
import { formatSize, LoadError } from './load-error.ts';

/** A compression that files come in, and the command that undoes it. */
interface Compression {
  readonly name: string;
  readonly command: string;
  readonly magic: string | readonly number[];
}

/** Leading bytes of compressed files; gzip (RFC 1952, 2.3.1) is the one undone here. */
const COMPRESSIONS: readonly Compression[] = [
  { name: 'gzip', command: 'gunzip', magic: [0x1f, 0x8b] },
  { name: 'xz', command: 'xz -dc', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { name: 'zstd', command: 'zstd -dc', magic: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: 'lz4', command: 'lz4 -dc', magic: [0x04, 0x22, 0x4d, 0x18] },
  { name: 'lz4', command: 'lz4 -dc', magic: [0x02, 0x21, 0x4c, 0x18] },
  { name: 'bzip2', command: 'bzip2 -dc', magic: 'BZh' },
  { name: 'lzop', command: 'lzop -dc', magic: [0x89, 0x4c, 0x5a, 0x4f, 0x00] },
  { name: 'lzma', command: 'xz --format=lzma -dc', magic: [0x5d, 0x00, 0x00] },
];

/** What `bytes` are compressed with, or undefined. */
export function compressionOf(bytes: Uint8Array): Compression | undefined {
  return COMPRESSIONS.find((c) => matches(bytes, 0, c.magic));
}

/** The compressed kernel inside a Linux EFI zboot image (`MZ`, `zimg` at 4, payload offset and size, compression name at 24), or undefined. */
function zbootPayload(file: string, bytes: Uint8Array): Uint8Array | undefined {
  if (!matches(bytes, 0, 'MZ') || !matches(bytes, 4, 'zimg') || bytes.length < 56) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offset = view.getUint32(8, true);
  const size = view.getUint32(12, true);
  if (offset + size > bytes.length) {
    throw new LoadError(
      file,
      `an EFI zboot kernel cut short: its payload ends at ${offset + size}, the file at ${bytes.length}`,
      'Fetch or build the file again',
    );
  }
  return bytes.subarray(offset, offset + size);
}

/**
 * Undoes gzip, also inside an EFI zboot kernel; uncompressed bytes come back as they are. Both names of the file stay the user's.
 * @param limit bytes after which unpacking stops: the machine's RAM
 * @throws LoadError for damaged or truncated data, other compressions, or more than `limit` bytes
 */
export async function unpackFile(file: string, bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const packed = zbootPayload(file, bytes) ?? bytes;
  const compression = compressionOf(packed);
  if (!compression) return packed;
  if (compression.name !== 'gzip') {
    throw new LoadError(
      file,
      `compressed with ${compression.name}, which is not undone here`,
      `Unpack it first: ${compression.command} ${file} > Image`,
    );
  }
  if (typeof DecompressionStream === 'undefined') {
    throw new LoadError(
      file,
      'compressed with gzip, and this JavaScript engine has no DecompressionStream',
      `Unpack it first: gunzip -c ${file} > Image`,
    );
  }
  return gunzip(file, packed, limit);
}

async function gunzip(file: string, packed: Uint8Array, limit: number): Promise<Uint8Array> {
  const stream = new DecompressionStream('gzip');
  const writer = stream.writable.getWriter();
  // The reader below reports what goes wrong; the writer's promises would report it a second time, unheard.
  writer.write(packed as Uint8Array<ArrayBuffer>).catch(() => {});
  writer.close().catch(() => {});
  const reader = stream.readable.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    let step: ReadableStreamReadResult<Uint8Array>;
    try {
      step = await reader.read();
    } catch {
      throw new LoadError(
        file,
        `gzip data damaged or cut short (${formatSize(packed.length)} read, ${formatSize(length)} came out)`,
        'Check it with gzip -t, then fetch or build it again',
      );
    }
    if (step.done) break;
    length += step.value.length;
    if (length > limit) {
      await reader.cancel();
      throw new LoadError(
        file,
        `unpacks to more than the ${formatSize(limit)} of RAM`,
        'Give the machine more memory with --mem',
      );
    }
    chunks.push(step.value);
  }
  const out = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}
