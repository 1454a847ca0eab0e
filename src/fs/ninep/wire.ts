import { FsError } from '../errno.ts';
import { type Attributes, bytesName, FILE_TYPE, type Name, nameBytes, TYPE_MASK } from '../file-system.ts';
import { ReplyWriter, RequestReader } from '../fuse/wire.ts';
import { HEADER, QID_TYPE } from './protocol.ts';

/** Reads the fields of a 9P message. */
export class NinePReader extends RequestReader {
  constructor(message: Uint8Array) {
    super(message, HEADER);
  }

  u8(): number {
    return this.bytes[this.take(1)];
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }

  /** Text with its length before it. @throws FsError EINVAL when it holds a NUL */
  text(): Name {
    const text = bytesName(this.data(this.u16()));
    if (text.includes('\0')) throw new FsError('EINVAL');
    return text;
  }
}

/** Writes an answer of a known length; the header is {@link finish}ed last. */
export class NinePWriter extends ReplyWriter {
  /** @param length of what follows the header */
  constructor(length: number) {
    super(HEADER + length);
    this.skip(HEADER);
  }

  text(name: Name): void {
    this.u16(name.length);
    this.put(nameBytes(name));
  }

  qid({ inode, mode }: Pick<Attributes, 'inode' | 'mode'>): void {
    const type = mode & TYPE_MASK;
    this.u8(type === FILE_TYPE.directory ? QID_TYPE.directory : type === FILE_TYPE.symlink ? QID_TYPE.symlink : 0);
    this.u32(0);
    this.u64(inode);
  }
}
