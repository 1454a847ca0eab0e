import { ConfigError } from '../../devices/config-error.ts';
import { PCI_DEVICES } from '../../devices/pci/host.ts';
import { type SlotConfig, slotEntry } from '../../devices/registry.ts';
import { EXTENSIONS, type Extension } from '../../isa/instruction.ts';
import { MAX_HARTS, MAX_RAM, MIN_RAM, PAGE_SIZE } from '../../isa/layout.ts';
import type { DiskOverlay, ImageName } from '../../storage/image-name.ts';
import type { RotationOptions } from '../schedule/rotation.ts';
import { VIRTIO_SLOTS } from './memory-map.ts';

export { ConfigError, type DiskOverlay, type ImageName, type SlotConfig };

/**
 * Everything that makes a machine what it is before its first instruction: two machines of one configuration and the same events
 * are equal at every instant (contract 1). Plain JSON, part of recordings and saved states.
 */
export interface MachineConfig {
  /** Bytes of RAM. */
  readonly memory: number;
  readonly harts: number;
  /** Extensions that are on, in the order of EXTENSIONS. */
  readonly isa: readonly Extension[];
  readonly mmu: 'sv39' | 'sv48' | 'sv57';
  readonly kernel?: ImageName;
  readonly initrd?: ImageName;
  /** M-mode firmware in the guest; left out, the host answers SBI calls. */
  readonly firmware?: ImageName;
  /** Kernel command line. */
  readonly append: string;
  readonly rotation: RotationOptions;
  /** The device tree's rng-seed, hexadecimal. */
  readonly rngSeed: string;
  /** Contents of the virtio slots, from slot 0 on. */
  readonly slots: readonly SlotConfig[];
  /** What is on the PCI bus, from device 0 on; left out, there is no bus. */
  readonly pci?: readonly SlotConfig[];
}

/** Everything that sits in a slot of either bus, in the order in which disks are counted. */
export const slotsOf = (config: MachineConfig): readonly SlotConfig[] => [...config.slots, ...(config.pci ?? [])];

const UNITS: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** A size in bytes such as `256M` (K, M, G: powers of 1024). @throws ConfigError when it is none, or impossible for RAM */
export function parseMemory(text: string | number): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?)i?b?$/i.exec(String(text).trim());
  if (match === null)
    throw new ConfigError(`memory size "${text}" is not understood: give a number with K, M or G, such as 256M`);
  const bytes = Number(match[1]) * UNITS[match[2].toLowerCase()];
  checkMemory(bytes, String(text));
  return bytes;
}

function checkMemory(bytes: number, text: string): void {
  if (!(bytes >= MIN_RAM && bytes <= MAX_RAM)) {
    throw new ConfigError(
      `memory size ${text} is impossible: expected ${MIN_RAM / 2 ** 20}M to ${MAX_RAM / 2 ** 20}M; a Linux guest needs 128M`,
    );
  }
  if (bytes % PAGE_SIZE !== 0) throw new ConfigError(`memory size ${text} is no multiple of ${PAGE_SIZE} bytes`);
}

/** Extensions that need others. */
const NEEDS: readonly (readonly [Extension, Extension])[] = [
  ['d', 'f'],
  ['f', 'zicsr'],
  ['zicntr', 'zicsr'],
  ['zihpm', 'zicsr'],
];

/** What the letter B stands for (Unprivileged Architecture, chapter "B"). */
const BIT_MANIPULATION = ['zba', 'zbb', 'zbs'] as const;

/** Names for groups of extensions. */
const BASES: Record<string, readonly Extension[]> = {
  rv64gc: ['i', 'm', 'a', 'f', 'd', 'c', 'zicsr', 'zifencei', 'zicntr'],
  b: BIT_MANIPULATION,
  max: EXTENSIONS,
};

/**
 * Extensions by a string such as `max`, `rv64gc`, `rv64gc,zba,zbb` or `max,-sstc`. @throws ConfigError for a name that is none, or
 * a set that misses what one of it needs
 */
export function parseIsa(text: string): readonly Extension[] {
  const on = new Set<Extension>();
  for (const word of text
    .toLowerCase()
    .split(/[,_+ ]+/)
    .filter((w) => w !== '')) {
    const off = word.startsWith('-');
    const name = off ? word.slice(1) : word;
    const group = BASES[name] ?? (EXTENSIONS as readonly string[]).filter((e) => e === name);
    if (group.length === 0) {
      throw new ConfigError(
        `"${name}" in the instruction set "${text}" is no extension: expected rv64gc, max, or of ${EXTENSIONS.join(' ')}`,
      );
    }
    for (const extension of group as readonly Extension[]) {
      if (off) on.delete(extension);
      else on.add(extension);
    }
  }
  if (BIT_MANIPULATION.every((extension) => on.has(extension))) on.add('b');
  else on.delete('b');
  for (const needed of ['i', 'zicsr'] as const) {
    if (!on.has(needed))
      throw new ConfigError(`the instruction set "${text}" is without "${needed}", which every machine has`);
  }
  for (const [one, other] of NEEDS) {
    if (on.has(one) && !on.has(other))
      throw new ConfigError(`the instruction set "${text}" has "${one}", which needs "${other}"`);
  }
  return EXTENSIONS.filter((e) => on.has(e));
}

const isU32 = (n: number): boolean => Number.isInteger(n) && n >= 0 && n <= 0xffff_ffff;

/** @throws ConfigError unless the configuration is one of a machine that can be built */
export function checkConfig(config: MachineConfig): void {
  checkMemory(config.memory, `of ${config.memory} bytes`);
  if (!(Number.isInteger(config.harts) && config.harts >= 1 && config.harts <= MAX_HARTS)) {
    throw new ConfigError(`${config.harts} harts are impossible: expected 1 to ${MAX_HARTS}`);
  }
  const { seed, quantum } = config.rotation;
  if (!isU32(seed)) throw new ConfigError(`seed ${seed}: expected an integer from 0 to ${0xffff_ffff}`);
  if (!(Number.isInteger(quantum) && quantum >= 2 && quantum <= 2 ** 29))
    throw new ConfigError(`quantum ${quantum}: expected 2 to ${2 ** 29} instructions`);
  if (config.slots.length > VIRTIO_SLOTS)
    throw new ConfigError(`${config.slots.length} virtio devices: there are ${VIRTIO_SLOTS} slots`);
  if (config.pci !== undefined && (config.pci.length < 1 || config.pci.length > PCI_DEVICES))
    throw new ConfigError(`${config.pci.length} devices on the PCI bus: expected 1 to ${PCI_DEVICES}, or no bus`);
  for (const slot of slotsOf(config)) slotEntry(slot).check(slot);
  parseIsa(config.isa.join(','));
  if (config.kernel === undefined && config.firmware === undefined) {
    throw new ConfigError('there is nothing to boot: give a kernel (--kernel FILE), or a guest by its name');
  }
}
