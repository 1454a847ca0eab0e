import { aclintEntry } from './aclint.ts';
import { ConfigError } from './config-error.ts';
import type { PlatformEntry, SlotEntry } from './entry.ts';
import { plicEntry } from './plic.ts';
import { rtcEntry } from './rtc.ts';
import { sbiConsoleEntry } from './sbi-console.ts';
import { sysconEntry } from './syscon.ts';
import { uartEntry } from './uart16550.ts';
import { balloonEntry } from './virtio/balloon.ts';
import { blkEntry } from './virtio/blk.ts';
import { consoleEntry } from './virtio/console.ts';
import { fsEntry } from './virtio/fs.ts';
import { netEntry } from './virtio/net.ts';
import { ninePEntry } from './virtio/ninep.ts';
import { rngEntry } from './virtio/rng.ts';

/**
 * The devices of the machine itself, in the order of their ids. An id is a port of the door and a place in saved states, and the devices in
 * slots count on from these: an entry more is another machine, unless old configurations are without it as `forFirmware` devices are.
 */
export const PLATFORM_DEVICES: readonly PlatformEntry[] = [
  plicEntry,
  uartEntry,
  rtcEntry,
  sysconEntry,
  sbiConsoleEntry,
  aclintEntry,
];

/** The devices that a configuration may put into slots. */
export const SLOT_DEVICES = [blkEntry, rngEntry, consoleEntry, balloonEntry, fsEntry, netEntry, ninePEntry] as const;

/** What sits in a virtio slot: the `kind` of an entry, and what that entry says besides. */
export type SlotConfig = Parameters<(typeof SLOT_DEVICES)[number]['check']>[0];

/** The entry of the device in a slot. @throws ConfigError for a kind that is none */
export function slotEntry(slot: SlotConfig): SlotEntry<SlotConfig> {
  const entry = SLOT_DEVICES.find(({ kind }) => kind === slot.kind);
  if (entry === undefined) {
    const known = SLOT_DEVICES.map(({ kind }) => kind).join(', ');
    throw new ConfigError(`there is no device "${String(slot.kind)}" for a slot: expected one of ${known}`);
  }
  return entry as SlotEntry<SlotConfig>;
}
