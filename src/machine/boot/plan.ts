import { MAX_RAM, PAGE_SIZE } from '../../isa/layout.ts';
import { buildDeviceTree, type DeviceTreeOptions } from '../board/device-tree.ts';
import { KERNEL_OFFSET, RAM_BASE, type Region } from '../board/memory-map.ts';
import type { BootImage, ImageSegment, ReadyBytes } from './image.ts';
import { formatAddress, formatSize, LoadError } from './load-error.ts';
import { dynamicInfo, type FirmwareKind, firmwareKind, JUMP_DEVICE_TREE, JUMP_KERNEL } from './opensbi.ts';

/** What to boot, on what machine. */
export interface BootRequest {
  /** May be left out only with firmware that needs none. */
  readonly kernel?: BootImage;
  readonly initrd?: { readonly file: string; readonly bytes: Uint8Array; readonly ready?: ReadyBytes };
  /** M-mode firmware to run in the guest; left out, the host answers SBI calls. */
  readonly firmware?: BootImage;
  /** The rest of what the device tree says. */
  readonly machine: Omit<DeviceTreeOptions, 'initrd' | 'firmware'>;
}

/** Something to put into RAM before the first instruction. */
export interface Placement extends ImageSegment {
  readonly what: 'kernel' | 'initrd' | 'firmware' | 'device tree' | 'firmware info';
}

/** State of a hart before its first instruction; everything not named here is as after reset, satp 0 and interrupts off. */
export interface HartStart {
  readonly hart: number;
  /** False: stopped (HSM), waiting for `sbi_hart_start`. */
  readonly started: boolean;
  readonly pc: number;
  readonly mode: 'machine' | 'supervisor';
  readonly a0: number;
  readonly a1: number;
  readonly a2: number;
}

/** Everything between files and a running machine. */
export interface BootPlan {
  /** None overlaps another. */
  readonly placements: readonly Placement[];
  readonly harts: readonly HartStart[];
  /** Where the boot hart begins. */
  readonly entry: number;
  /** Physical address of the device tree. */
  readonly deviceTree: number;
}

/** The hart that boots; the others wait or are stopped. */
const BOOT_HART = 0;
/** Free bytes after the device tree: firmware edits it in place (OpenSBI asks for a few KiB). */
const DEVICE_TREE_SLACK = 16 * 1024;
/** Room an fw_jump needs where it moves the device tree to. */
const JUMP_DEVICE_TREE_SIZE = 64 * 1024;
const MIB = 1024 * 1024;

const pageDown = (n: number): number => n - (n % PAGE_SIZE);
const pageUp = (n: number): number => pageDown(n + PAGE_SIZE - 1);

/** A stretch of RAM that is taken, and by whom. */
interface Taken {
  readonly file: string;
  readonly what: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Decides where everything goes: firmware at the beginning of RAM, the kernel where it belongs, device tree and initrd at the
 * top. @throws LoadError when something lies outside RAM, does not fit or would overlap
 */
export function planBoot(request: BootRequest): BootPlan {
  const { kernel, initrd, firmware, machine } = request;
  if (!kernel && !firmware)
    throw new LoadError('--kernel', 'there is nothing to boot', 'Name a kernel with --kernel FILE');
  const ramEnd = RAM_BASE + machine.ramSize;
  const kind = firmware && firmwareKind(firmware);
  const taken = lowerMemory(request, kind, ramEnd);

  const firmwareOption: DeviceTreeOptions['firmware'] = firmware
    ? { kind: 'image', reserved: firmwareRegion(firmware) }
    : { kind: 'host' };
  const describe = (start: number, end: number): Uint8Array =>
    buildDeviceTree({ ...machine, firmware: firmwareOption, ...(initrd && { initrd: { start, end } }) });

  const infoAt = pageDown(ramEnd) - (firmware ? PAGE_SIZE : 0);
  // The tree's size does not depend on where the initrd lies, but where the initrd lies depends on the tree's size.
  const deviceTreeAt = pageDown(infoAt - describe(0, 0).length - (firmware ? DEVICE_TREE_SLACK : 0));
  const floor = Math.max(RAM_BASE, ...taken.map((t) => t.end));
  if (deviceTreeAt < floor) throw tooLarge(request, taken.find((t) => t.end === floor)!, ramEnd);
  const initrdAt = pageDown(deviceTreeAt - (initrd?.bytes.length ?? 0));
  if (initrd) checkInitrd(request, initrdAt, floor, deviceTreeAt);
  const deviceTree = describe(initrdAt, initrdAt + (initrd?.bytes.length ?? 0));

  const whole = (what: Placement['what'], address: number, bytes: Uint8Array): Placement => ({
    what,
    address,
    bytes,
    memorySize: bytes.length,
  });
  const parts = (what: Placement['what'], image: BootImage | undefined): Placement[] =>
    (image?.segments ?? []).map((s) => ({ ...s, what }));
  const next = kernel?.entry ?? RAM_BASE + KERNEL_OFFSET;
  const placements = [
    ...parts('firmware', firmware),
    ...parts('kernel', kernel),
    whole('device tree', deviceTreeAt, deviceTree),
  ];
  if (initrd)
    placements.push({ ...whole('initrd', initrdAt, initrd.bytes), ...(initrd.ready && { ready: initrd.ready }) });
  if (firmware) placements.push(whole('firmware info', infoAt, dynamicInfo(next, BOOT_HART)));

  const entry = firmware?.entry ?? next;
  const harts = Array.from(
    { length: machine.harts },
    (_, hart): HartStart => ({
      hart,
      started: firmware !== undefined || hart === BOOT_HART,
      pc: entry,
      mode: firmware ? 'machine' : 'supervisor',
      a0: hart,
      a1: deviceTreeAt,
      a2: firmware ? infoAt : 0,
    }),
  );
  return { placements, harts, entry, deviceTree: deviceTreeAt };
}

/** Checks firmware and kernel against RAM and each other. @returns what they take */
function lowerMemory(request: BootRequest, kind: FirmwareKind | undefined, ramEnd: number): Taken[] {
  const { kernel, firmware } = request;
  const taken: Taken[] = [];
  for (const [what, image] of [
    ['the firmware', firmware],
    ['the kernel', kernel],
  ] as const) {
    for (const segment of image?.segments ?? []) {
      const piece: Taken = {
        file: image!.file,
        what,
        start: segment.address,
        end: segment.address + segment.memorySize,
      };
      if (!(piece.start >= RAM_BASE && piece.end <= ramEnd)) throw tooLarge(request, piece, ramEnd);
      taken.push(piece);
    }
  }
  if (kind === 'jump' && kernel) {
    if (kernel.entry !== JUMP_KERNEL) {
      throw new LoadError(
        firmware!.file,
        `an OpenSBI fw_jump, which enters the kernel at ${formatAddress(JUMP_KERNEL)}, but ${kernel.file} begins at ${formatAddress(kernel.entry)}`,
        'Use fw_dynamic.bin, which enters a kernel at any address',
      );
    }
    const piece: Taken = {
      file: firmware!.file,
      what: 'an OpenSBI fw_jump, which moves the device tree',
      start: JUMP_DEVICE_TREE,
      end: JUMP_DEVICE_TREE + JUMP_DEVICE_TREE_SIZE,
    };
    if (piece.end > ramEnd) throw tooLarge(request, piece, ramEnd);
    taken.push(piece);
  }
  refuseOverlaps(taken);
  return taken;
}

function refuseOverlaps(taken: readonly Taken[]): void {
  const sorted = [...taken].sort((a, b) => a.start - b.start);
  for (let i = 1; i < sorted.length; i++) {
    const [low, high] = [sorted[i - 1]!, sorted[i]!];
    if (low.end <= high.start) continue;
    const range = (t: Taken): string => `${formatAddress(t.start)} to ${formatAddress(t.end)}`;
    throw new LoadError(
      high.file,
      `${high.what} (${range(high)}) overlaps ${low.what} of ${low.file} (${range(low)})`,
      high.file === low.file
        ? 'Fetch or build the file again'
        : 'Use firmware and a kernel that leave each other room; OpenSBI fw_dynamic.bin does for a Linux Image',
    );
  }
}

/** What to keep from the kernel. Firmware's own data lies after its file's bytes, so all the room in front of kernels is its own. */
function firmwareRegion(firmware: BootImage): Region {
  const base = pageDown(Math.min(...firmware.segments.map((s) => s.address)));
  const end = pageUp(Math.max(...firmware.segments.map((s) => s.address + s.memorySize)));
  const kernels = RAM_BASE + KERNEL_OFFSET;
  // What reaches further from here is a payload, which is the kernel's own.
  return { base, size: (base < kernels ? kernels : end) - base };
}

/** The advice on memory: enough for all files with room to unpack and run, in steps that people use. */
function suggestMemory(request: BootRequest): string {
  const extent = (image?: BootImage): number =>
    Math.max(0, ...(image?.segments ?? []).map((s) => s.address + s.memorySize - RAM_BASE));
  const files = Math.max(extent(request.kernel), extent(request.firmware)) + 2 * (request.initrd?.bytes.length ?? 0);
  const wanted = Math.max(128 * MIB, Math.ceil((files + 64 * MIB) / (64 * MIB)) * 64 * MIB);
  if (wanted > MAX_RAM) return `The largest machine has ${formatSize(MAX_RAM)}: bring smaller files`;
  return `Give the machine more memory, such as --mem ${wanted / MIB}M`;
}

function tooLarge(request: BootRequest, piece: Taken, ramEnd: number): LoadError {
  const size = formatSize(piece.end - piece.start);
  return new LoadError(
    piece.file,
    `${piece.what} needs ${size} of memory at ${formatAddress(piece.start)}, but RAM of ${formatSize(ramEnd - RAM_BASE)} ` +
      `is ${formatAddress(RAM_BASE)} to ${formatAddress(ramEnd)}, where a device tree must fit too`,
    piece.start < RAM_BASE ? `Link it at ${formatAddress(RAM_BASE)} or above` : suggestMemory(request),
  );
}

function checkInitrd(request: BootRequest, start: number, floor: number, end: number): void {
  const { file, bytes } = request.initrd!;
  if (bytes.length === 0) throw new LoadError(file, 'the initrd is empty', 'Leave --initrd away, or build it again');
  if (start >= floor) return;
  throw new LoadError(
    file,
    `the initrd of ${formatSize(bytes.length)} does not fit into the ${formatSize(Math.max(0, end - floor))} that the kernel leaves of ${formatSize(request.machine.ramSize)} RAM`,
    suggestMemory(request),
  );
}
