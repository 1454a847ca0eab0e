import { fromHex } from '../../bytes/hex.ts';
import { FILE_TYPE, TYPE_MASK } from '../../fs/file-system.ts';
import type { GdbClient } from './client.ts';
import { latin1, PACKET_SIZE } from './packets.ts';

/** Errors of the File-I/O protocol ("Debugging with GDB", "Errno Values"). */
const ENOENT = 2;
const EBADF = 9;
const EISDIR = 21;
const EINVAL = 22;
const EROFS = 30;
const EUNKNOWN = 9999;
/** The access modes among open's flags ("Debugging with GDB", "Open Flags"). */
const ACCESS = 3;
const STAT_SIZE = 64;
const MOST = PACKET_SIZE / 2 - 32;

const failure = (number: number): string => `F-1,${number.toString(16)}`;

interface OpenFile {
  readonly bytes: Uint8Array;
  readonly mode: number;
  readonly modified: number;
}

/** The guest's files, which gdb reads by `vFile` packets ("Debugging with GDB", "Host I/O Packets"). */
export class HostFiles {
  private readonly open = new Map<number, OpenFile>();
  private readonly client: GdbClient;
  private next = 3;

  constructor(client: GdbClient) {
    this.client = client;
  }

  /** Answers an operation. @param text what follows `vFile:` */
  answer(text: string): string | Uint8Array | Promise<string> {
    const [, operation, rest] = /^([a-z]+):?(.*)$/.exec(text) ?? [];
    const numbers = (rest ?? '').split(',').map((v) => parseInt(v, 16));
    switch (operation) {
      case 'setfs':
        return 'F0';
      case 'open': {
        const name = fromHex(rest.split(',')[0]);
        if (name === undefined) return failure(EINVAL);
        return (numbers[1] & ACCESS) !== 0 ? failure(EROFS) : this.openFile(new TextDecoder().decode(name));
      }
      case 'close':
        return this.open.delete(numbers[0]) ? 'F0' : failure(EBADF);
      case 'pread': {
        const bytes = this.open.get(numbers[0])?.bytes;
        return bytes ? data(bytes.subarray(numbers[2], numbers[2] + Math.min(numbers[1], MOST))) : failure(EBADF);
      }
      case 'fstat': {
        const file = this.open.get(numbers[0]);
        return file ? data(stat(file)) : failure(EBADF);
      }
      case 'readlink':
        return failure(EINVAL);
      default:
        return '';
    }
  }

  private async openFile(path: string): Promise<string> {
    const task = this.client.task();
    const programs = this.client.options.monitor.guestInfo.programs();
    const found = task && programs ? await programs.fileOf(task, path) : undefined;
    if (found === undefined) return failure(ENOENT);
    if ((found.mode & TYPE_MASK) !== FILE_TYPE.file) return failure(EISDIR);
    const bytes = await found.read();
    if (bytes === undefined) return failure(EUNKNOWN);
    this.open.set(this.next, { bytes, mode: found.mode, modified: found.modified });
    return `F${(this.next++).toString(16)}`;
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
function stat({ bytes, mode, modified }: OpenFile): Uint8Array {
  const out = new Uint8Array(STAT_SIZE);
  const view = new DataView(out.buffer);
  view.setUint32(8, mode);
  view.setUint32(12, 1);
  view.setBigUint64(28, BigInt(bytes.length));
  view.setBigUint64(36, 4096n);
  view.setBigUint64(44, BigInt(Math.ceil(bytes.length / 512)));
  view.setUint32(56, modified);
  return out;
}
