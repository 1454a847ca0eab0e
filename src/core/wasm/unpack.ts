import { fromBase64 } from '../../bytes/base64.ts';
import { crc32c } from '../../bytes/checksum.ts';
import { decompress } from '../../bytes/compress.ts';
import { StateError } from '../../bytes/state-stream.ts';
import { UNPACK_WASM_BASE64 } from '../../generated/unpack-wasm.ts';

/** Checks and unpacks small pieces: compressed bytes of at most {@link MOST_PACKED}, of at most {@link MOST_UNPACKED} bytes. */
export interface Unpacker {
  /**
   * The contents, in memory of its own, valid until the next call.
   * @param checksum CRC-32C that the packed bytes must have @throws StateError when they have another, or are no such bytes
   */
  unpack(packed: Uint8Array, checksum: number, size: number): Uint8Array;
}

const OUT = 0x6000;
const MOST_PACKED = OUT;
const MOST_UNPACKED = 0x6000;

const damaged = (): StateError => new StateError('its checksum is another');

/** In JavaScript, where WebAssembly may not be compiled, and for what is larger. */
const inJavaScript: Unpacker = {
  unpack(packed, checksum, size) {
    if (crc32c(packed) !== checksum) throw damaged();
    const out = new Uint8Array(size);
    decompress(packed, out);
    return out;
  },
};

function create(): Unpacker {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  let exports: {
    prepare(): void;
    checksum(length: number): number;
    unpack(length: number, size: number): number;
  };
  try {
    const module = new WebAssembly.Module(fromBase64(UNPACK_WASM_BASE64)! as Uint8Array<ArrayBuffer>);
    exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as typeof exports;
  } catch {
    return inJavaScript;
  }
  exports.prepare();
  const bytes = new Uint8Array(memory.buffer);
  return {
    unpack(packed, checksum, size) {
      if (packed.length > MOST_PACKED || size > MOST_UNPACKED) return inJavaScript.unpack(packed, checksum, size);
      bytes.set(packed);
      if (exports.checksum(packed.length) >>> 0 !== checksum) throw damaged();
      if (!exports.unpack(packed.length, size)) throw new StateError('its compressed bytes are damaged');
      return bytes.subarray(OUT, OUT + size);
    },
  };
}

let made: Unpacker | undefined;

/** One for the realm: it keeps nothing between two calls. */
export function unpacker(): Unpacker {
  made ??= create();
  return made;
}
