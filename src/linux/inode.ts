import type { LinuxKernel } from './kernel.ts';

/** A file as the kernel holds it in memory, whatever file system it is of. */
export interface Inode {
  /** Address of its struct inode. */
  readonly address: bigint;
  readonly number: number;
  /** Type and permissions. */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** Address of the struct address_space that holds its pages. */
  readonly mapping: bigint;
  /** Text of a symbolic link that is kept in memory. */
  readonly link?: string;
  /** Seconds since 1970. */
  readonly modified: number;
  /** Equal as long as nothing wrote to the file. */
  readonly version: string;
  readonly volume: Volume;
}

/** A mounted file system. */
export interface Volume {
  /** Address of its struct super_block. */
  readonly address: bigint;
  /** `ext4`, `tmpfs`, … */
  readonly type: string;
  /** The disk it is on, if it is on one. */
  readonly disk?: {
    /** `vda`, … */
    readonly name: string;
    /** First byte of the partition, and its size; the whole disk has none. */
    readonly partition?: { readonly start: number; readonly size: number };
    /** Address of the struct address_space that holds its metadata. */
    readonly mapping: bigint;
  };
}

const SECTOR = 512;
const LONGEST_LINK = 4096;

/** Reads a struct inode. */
export function readInode(kernel: LinuxKernel, address: bigint): Inode {
  const get = (path: string): bigint => kernel.get('inode', address, path);
  const mode = Number(get('i_mode'));
  const link = (mode & 0o170000) === 0o120000 ? get('i_link') : 0n;
  const time = (name: string): string =>
    kernel.has('inode', `${name}_sec`)
      ? `${get(`${name}_sec`)}.${get(`${name}_nsec`)}`
      : `${get(`__${name}.tv_sec`)}.${get(`__${name}.tv_nsec`)}`;
  const superblock = get('i_sb');
  const number = Number(get('i_ino'));
  const modified = time('i_mtime');
  return {
    address,
    number,
    mode,
    size: Number(get('i_size')),
    mapping: get('i_mapping'),
    ...(link !== 0n && { link: kernel.text(link, LONGEST_LINK) }),
    modified: Number(modified.split('.')[0]),
    version: [superblock, number, get('i_generation'), get('i_size'), modified, time('i_ctime')].join(' '),
    volume: readVolume(kernel, superblock),
  };
}

function readVolume(kernel: LinuxKernel, address: bigint): Volume {
  const type = kernel.text(kernel.get('file_system_type', kernel.get('super_block', address, 's_type'), 'name'), 64);
  const device = kernel.get('super_block', address, 's_bdev');
  if (device === 0n) return { address, type };
  const get = (path: string): bigint => kernel.get('block_device', device, path);
  const disk = get('bd_disk');
  const start = Number(get('bd_start_sect')) * SECTOR;
  return {
    address,
    type,
    disk: {
      name: kernel.text(kernel.at('gendisk', disk, 'disk_name'), 32),
      ...(start > 0 && { partition: { start, size: Number(get('bd_nr_sectors')) * SECTOR } }),
      mapping: kernel.has('block_device', 'bd_mapping')
        ? get('bd_mapping')
        : kernel.get('inode', get('bd_inode'), 'i_mapping'),
    },
  };
}
