import { hexBytes, toHex } from '../../bytes/hex.ts';
import { EXTENSIONS } from '../../isa/instruction.ts';
import type { BlockBackend } from '../../storage/index.ts';
import {
  ConfigError,
  checkConfig,
  type ImageName,
  type MachineConfig,
  parseIsa,
  parseMemory,
  type SlotConfig,
} from '../board/config.ts';
import { type BootImage, isLinuxImage, loadKernel, type ReadyBytes, readFirmware } from '../boot/image.ts';
import { type BootPlan, planBoot } from '../boot/plan.ts';
import type { FindSnapshotFile } from '../state/snapshot.ts';
import type { HostRoom } from './host-room.ts';

/** A file's name and contents. */
export interface NamedBytes {
  readonly file: string;
  readonly bytes: Uint8Array;
  /** Their SHA-256 where it is known for sure, so that it need not be computed: 64 hexadecimal digits. */
  readonly hash?: string;
  /** Has some of them in place, where they are read only as they are needed; the first 64 KiB are there. */
  readonly ready?: ReadyBytes;
  /** It was made for this machine and is in no file: a recording holds it in any case. */
  readonly unfiled?: boolean;
}

/** A disk for a virtio slot. */
export interface DiskOption {
  /** As the user named it. */
  readonly file: string;
  readonly backend: BlockBackend;
  readonly readOnly?: boolean;
}

/** What a machine is made from. Everything has a default but what to boot. */
export interface HardwareOptions {
  /** A Linux Image or an ELF program. */
  readonly kernel?: NamedBytes;
  readonly initrd?: NamedBytes;
  /** M-mode firmware; left out, the host answers SBI calls. */
  readonly firmware?: NamedBytes;
  /** Kernel command line. */
  readonly append?: string;
  /** RAM: bytes, or text such as `256M` (default). */
  readonly memory?: string | number;
  /** 1 (default) to 8. */
  readonly harts?: number;
  /** Extensions, e.g. `max` (default), `rv64gc`, `max,-sstc`. */
  readonly isa?: string;
  readonly mmu?: 'sv39' | 'sv48' | 'sv57';
  readonly disks?: readonly DiskOption[];
  /**
   * Names of shared folders, for each a virtiofs or 9P device on a PCI bus. What answers for them is attached to the machine once it is built;
   * until then the guest waits.
   */
  readonly shares?: readonly (string | ShareDevice)[];
  /**
   * Whether there is a virtio console besides the serial port, and how large its terminal is (80 × 25 if not given). `ports` are channels
   * of their own to programs in the guest (/dev/vportNp1, Np2, … in Linux): {@link Machine.send} and the event `output` know them by name.
   */
  readonly virtioConsole?:
    | boolean
    | { readonly columns?: number; readonly rows?: number; readonly ports?: readonly string[] };
  /**
   * A memory balloon: for {@link Machine.balloon}, and so that the guest reports its free pages, which are dropped. A number is what it is to
   * hold from power-on, in bytes.
   */
  readonly balloon?: boolean | number;
  /** Further devices for virtio slots, after those the other options make (src/devices/registry.ts has what there is). */
  readonly devices?: readonly SlotConfig[];
  /** Seed of the rotation, of the guest's rng-seed and of all that a machine without a host makes up; u32, default 0. */
  readonly seed?: number;
  /** 32 bytes that the guest's kernel seeds its random numbers with; default: drawn from `seed`. */
  readonly rngSeed?: Uint8Array;
  /** Mean length of a hart's turn in instructions; default 20,000. */
  readonly quantum?: number;
  /** Vary the turns wildly, to find data races. */
  readonly chaos?: boolean;
}

/** A configuration, and the contents that go with it. */
export interface Hardware {
  readonly config: MachineConfig;
  readonly plan: BootPlan;
  readonly backends: readonly BlockBackend[];
  /** Kernel, initrd and firmware by their hashes. */
  readonly images: readonly ({ readonly hash: string } & Pick<NamedBytes, 'bytes' | 'ready' | 'unfiled'>)[];
}

/** Files of a machine by role. */
export interface ImageFiles {
  readonly kernel?: NamedBytes;
  readonly initrd?: NamedBytes;
  readonly firmware?: NamedBytes;
  readonly disks?: readonly DiskOption[];
  /** The snapshot that a recording starts from. */
  readonly start?: NamedBytes;
  /** Files that it shares pages with. */
  readonly findSnapshot?: FindSnapshotFile;
}

/** A shared folder's device; a name alone is one of virtiofs. */
export interface ShareDevice {
  readonly name: string;
  /** Default `virtiofs`. */
  readonly protocol?: 'virtiofs' | '9p';
}

const shareSlot = (share: string | ShareDevice): SlotConfig =>
  typeof share === 'string'
    ? { kind: 'fs', tag: share }
    : { kind: share.protocol === '9p' ? '9p' : 'fs', tag: share.name };

const DEFAULT_MEMORY = '256M';
const DEFAULT_QUANTUM = 20_000;
/** Bytes of `rng-seed` in the device tree. */
export const RNG_SEED_BYTES = 32;

/** Names a file by its contents. */
export async function nameImage({ file, bytes, hash }: NamedBytes, room: HostRoom): Promise<ImageName> {
  return { file, size: bytes.length, hash: hash ?? toHex(await room.sha256(bytes)) };
}

function rngSeedText(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  if (bytes.length !== RNG_SEED_BYTES)
    throw new ConfigError(`an rngSeed of ${bytes.length} bytes: expected ${RNG_SEED_BYTES}`);
  return toHex(bytes);
}

/** 32 bytes from a seed (splitmix32); the kernel's own generator is seeded with them. */
function seedBytes(seed: number): string {
  const bytes = new Uint8Array(RNG_SEED_BYTES);
  let state = seed >>> 0;
  for (let i = 0; i < bytes.length; i++) {
    state = (state + 0x9e37_79b9) >>> 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0_aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a_2d97);
    bytes[i] = (z ^ (z >>> 15)) & 0xff;
  }
  return toHex(bytes);
}

/** Makes a configuration out of options. @throws ConfigError for what is not understood */
export async function planConfig(options: HardwareOptions, room: HostRoom): Promise<MachineConfig> {
  const seed = options.seed ?? 0;
  const slots: SlotConfig[] = (options.disks ?? []).map(({ file, backend, readOnly }) => ({
    kind: 'blk',
    base: { file, size: backend.size, hash: backend.hash },
    readOnly: readOnly ?? false,
  }));
  slots.push({ kind: 'rng' });
  const terminal = options.virtioConsole;
  if (terminal !== undefined && terminal !== false)
    slots.push({ kind: 'console', columns: 80, rows: 25, ...(terminal === true ? {} : terminal) });
  const { balloon = false } = options;
  if (balloon !== false) slots.push({ kind: 'balloon', bytes: balloon === true ? 0 : balloon });
  slots.push(...(options.devices ?? []));
  const name = async (what: 'kernel' | 'initrd' | 'firmware'): Promise<{ [key: string]: ImageName }> => {
    const image = options[what];
    return image === undefined ? {} : { [what]: await nameImage(image, room) };
  };
  return {
    memory: parseMemory(options.memory ?? DEFAULT_MEMORY),
    harts: options.harts ?? 1,
    isa: parseIsa(options.isa ?? 'max'),
    mmu: options.mmu ?? 'sv57',
    ...(await name('kernel')),
    ...(await name('initrd')),
    ...(await name('firmware')),
    append: options.append ?? '',
    rotation: { seed, quantum: options.quantum ?? DEFAULT_QUANTUM, chaos: options.chaos ?? false },
    rngSeed: rngSeedText(options.rngSeed) ?? seedBytes(seed),
    slots,
    ...(options.shares && options.shares.length > 0 && { pci: options.shares.map(shareSlot) }),
  };
}

/**
 * Makes hardware out of options.
 * @throws ConfigError, LoadError for what cannot be built or booted
 */
export async function planHardware(options: HardwareOptions, room: HostRoom): Promise<Hardware> {
  return assemble(await planConfig(options, room), options);
}

/**
 * The hardware of a known configuration, e.g. a recording's, from files that were found.
 * @throws ConfigError naming the file that is missing or not the one that is needed
 */
export async function rebuildHardware(config: MachineConfig, files: ImageFiles, room: HostRoom): Promise<Hardware> {
  for (const what of ['kernel', 'initrd', 'firmware'] as const) {
    const wanted = config[what];
    if (wanted === undefined) continue;
    const found = files[what];
    if (found === undefined)
      throw new ConfigError(`the ${what} ${wanted.file} is missing: bring the file with SHA-256 ${wanted.hash}`);
    const { hash } = await nameImage(found, room);
    if (hash !== wanted.hash) {
      throw new ConfigError(
        `the ${what} ${found.file} has SHA-256 ${hash}, expected ${wanted.hash}: bring the file that was used (${wanted.file})`,
      );
    }
  }
  return assemble(config, files);
}

/** A kernel file; of a Linux Image only what is needed is read. */
async function openKernel({ file, bytes, ready }: NamedBytes, memory: number): Promise<BootImage> {
  if (ready === undefined || isLinuxImage(bytes)) {
    const image = await loadKernel(file, bytes, memory);
    return ready === undefined ? image : { ...image, segments: image.segments.map((s) => ({ ...s, ready })) };
  }
  ready(0, bytes.length);
  return loadKernel(file, bytes, memory);
}

async function assemble(config: MachineConfig, files: ImageFiles): Promise<Hardware> {
  checkConfig(config);
  const { kernel, initrd, firmware } = files;
  const image = config.kernel && kernel && (await openKernel(kernel, config.memory));
  const plan = planBoot({
    ...(image && { kernel: image }),
    ...(config.initrd && initrd && { initrd }),
    ...(config.firmware && firmware && { firmware: readFirmware(firmware.file, firmware.bytes) }),
    machine: {
      harts: config.harts,
      ramSize: config.memory,
      isaBase: 'rv64i',
      isaExtensions: EXTENSIONS.filter((e) => config.isa.includes(e)),
      mmu: config.mmu,
      bootargs: config.append,
      rngSeed: hexBytes(config.rngSeed),
      virtioSlots: config.slots.map((_, slot) => slot),
      pciDevices: config.pci?.length ?? 0,
    },
  });
  const images = (['kernel', 'initrd', 'firmware'] as const).flatMap((role) => {
    const hash = config[role]?.hash;
    const { bytes, ready, unfiled } = files[role] ?? {};
    if (hash === undefined || bytes === undefined) return [];
    return [{ hash, bytes, ...(ready && { ready }), ...(unfiled && { unfiled }) }];
  });
  return { config, plan, backends: (files.disks ?? []).map(({ backend }) => backend), images };
}
