import { FsError } from '../errno.ts';
import { type Attributes, bytesName, type Name } from '../file-system.ts';

const TWO_32 = 2 ** 32;

/** Reads the fields of a request. A request that is too short throws EINVAL. */
export class RequestReader {
  protected readonly bytes: Uint8Array;
  protected readonly view: DataView;
  private at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  /** A number up to 2^53; above, it is not exact, and no id or offset in use. */
  u64(): number {
    const at = this.take(8);
    return this.view.getUint32(at + 4, true) * TWO_32 + this.view.getUint32(at, true);
  }

  skip(length: number): void {
    this.take(length);
  }

  /** Text that a NUL ends. */
  name(): Name {
    const end = this.bytes.indexOf(0, this.at);
    if (end < 0) throw new FsError('EINVAL', 'a name without its end');
    const name = bytesName(this.bytes.subarray(this.at, end));
    this.at = end + 1;
    return name;
  }

  data(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  protected take(length: number): number {
    const { at } = this;
    if (at + length > this.bytes.length) throw new FsError('EINVAL', 'a request that is too short');
    this.at = at + length;
    return at;
  }
}

/** Writes the fields of a reply of a known length. */
export class ReplyWriter {
  readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Where the next field goes. */
  get offset(): number {
    return this.at;
  }

  u8(value: number): void {
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.view.setUint16(this.at, value, true);
    this.at += 2;
  }

  u32(value: number): void {
    this.view.setUint32(this.at, value >>> 0, true);
    this.at += 4;
  }

  u64(value: number): void {
    this.view.setUint32(this.at, value % TWO_32, true);
    this.view.setUint32(this.at + 4, Math.floor(value / TWO_32), true);
    this.at += 8;
  }

  /** A number of seconds, which may be before 1970. */
  seconds(value: number): void {
    this.view.setBigInt64(this.at, BigInt(Math.trunc(value)), true);
    this.at += 8;
  }

  put(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  skip(length: number): void {
    this.at += length;
  }

  /** fuse_attr. */
  attributes(a: Attributes): void {
    this.u64(a.inode);
    this.u64(a.size);
    this.u64(a.blocks);
    for (const { seconds } of [a.accessed, a.modified, a.changed]) this.seconds(seconds);
    for (const { nanoseconds } of [a.accessed, a.modified, a.changed]) this.u32(nanoseconds);
    this.u32(a.mode);
    this.u32(a.links);
    this.u32(a.uid);
    this.u32(a.gid);
    this.u32(a.device);
    this.u32(4096); // blksize: what programs read at a time
    this.u32(0); // flags
  }
}
