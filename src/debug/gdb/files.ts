import { fromHex } from '../../bytes/hex.ts';
import { latin1, PACKET_SIZE } from './packets.ts';

/** Errors of the File-I/O protocol ("Debugging with GDB", "Errno Values"). */
const ENOENT = 2;
const EBADF = 9;
const EINVAL = 22;
/** st_mode of a regular file that everybody may read. */
const REGULAR = 0o100444;
const STAT_SIZE = 64;
const MOST = PACKET_SIZE / 2 - 32;

const failure = (number: number): string => `F-1,${number.toString(16)}`;

/** Files that gdb reads from us by `vFile` packets ("Debugging with GDB", "Host I/O Packets"). */
export class HostFiles {
  private readonly open = new Map<number, Uint8Array>();
  private readonly read: (path: string) => Uint8Array | undefined;
  private next = 3;

  /** @param read contents of a file of the guest at this instant; undefined when they cannot be had */
  constructor(read: (path: string) => Uint8Array | undefined) {
    this.read = read;
  }

  /** Answers an operation. @param text what follows `vFile:` */
  answer(text: string): string | Uint8Array {
    const [, operation, rest] = /^([a-z]+):?(.*)$/.exec(text) ?? [];
    const numbers = (rest ?? '').split(',').map((v) => parseInt(v, 16));
    switch (operation) {
      case 'setfs':
        return 'F0';
      case 'open': {
        const name = fromHex(rest.split(',')[0]);
        const bytes = name && this.read(new TextDecoder().decode(name));
        if (!bytes) return failure(ENOENT);
        this.open.set(this.next, bytes);
        return `F${(this.next++).toString(16)}`;
      }
      case 'close':
        return this.open.delete(numbers[0]) ? 'F0' : failure(EBADF);
      case 'pread': {
        const bytes = this.open.get(numbers[0]);
        return bytes ? data(bytes.subarray(numbers[2], numbers[2] + Math.min(numbers[1], MOST))) : failure(EBADF);
      }
      case 'fstat': {
        const bytes = this.open.get(numbers[0]);
        return bytes ? data(stat(bytes.length)) : failure(EBADF);
      }
      case 'readlink':
        return failure(EINVAL);
      default:
        return '';
    }
  }
}

function data(bytes: Uint8Array): Uint8Array {
  const head = latin1(`F${bytes.length.toString(16)};`);
  const out = new Uint8Array(head.length + bytes.length);
  out.set(head);
  out.set(bytes, head.length);
  return out;
}

/** `struct stat` of the protocol: big-endian ("Debugging with GDB", "struct stat"). */
function stat(size: number): Uint8Array {
  const out = new Uint8Array(STAT_SIZE);
  const view = new DataView(out.buffer);
  view.setUint32(8, REGULAR);
  view.setUint32(12, 1);
  view.setBigUint64(28, BigInt(size));
  view.setBigUint64(36, 4096n);
  view.setBigUint64(44, BigInt(Math.ceil(size / 512)));
  return out;
}
