import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GuestInfo } from '../../src/debug/guest-info.ts';
import { Monitor } from '../../src/debug/monitor/monitor.ts';
import type { DebugTarget } from '../../src/debug/target.ts';
import { timelineTarget } from '../../src/debug/timeline-target.ts';
import { commandLine } from '../../src/guest/cmdline.ts';
import { type CpioEntry, writeCpio } from '../../src/guest/cpio.ts';
import { FileBackend } from '../../src/host/node/disk.ts';
import { findGuest, type GuestDisk } from '../../src/host/node/guest/index.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { Machine, type MachineOptions } from '../../src/machine/session/machine.ts';
import type { DiskOption } from '../../src/machine/session/options.ts';
import { LivePast } from '../../src/timeline/live.ts';
import { GCC } from './programs.ts';

export const guest = await findGuest();

/** What dynamic programs need of the cross compiler's libraries, by their paths in the guest. */
const LIBRARIES = ['ld-linux-riscv64-lp64d.so.1', 'libc.so.6', 'libm.so.6', 'libgcc_s.so.1'];
const SYSROOT = '/usr/riscv64-linux-gnu/lib';

/** Compiles C for the guest. @returns the path of the ELF file */
export function compileForGuest(name: string, c: string, flags: readonly string[] = ['-static']): string {
  const room = mkdtempSync(join(tmpdir(), 'hindsight-guest-'));
  const source = join(room, `${name}.c`);
  writeFileSync(source, c);
  execFileSync(GCC, ['-g', '-O1', ...flags, '-o', join(room, name), source], { cwd: room });
  return join(room, name);
}

export interface LinuxScene {
  readonly machine: Machine;
  readonly target: DebugTarget;
  readonly guestInfo: GuestInfo;
  readonly monitor: Monitor;
  /** All that the guest printed. */
  readonly printed: string;
}

/** Records a guest that runs a command, and stands at the recording's end. @param programs ELF files, which are put into /bin */
export async function linuxScene(
  command: string,
  programs: Readonly<Record<string, string>> = {},
  {
    harts = 1,
    disks = [],
    chaos = false,
  }: { readonly harts?: number; readonly disks?: readonly DiskOption[]; readonly chaos?: boolean } = {},
): Promise<LinuxScene> {
  const file = (path: string, from: string): CpioEntry => ({
    type: 'file',
    path,
    mode: 0o755,
    data: readFileSync(from),
  });
  const extra = writeCpio([
    { type: 'dir', path: 'bin', mode: 0o755 },
    { type: 'dir', path: 'lib', mode: 0o755 },
    ...LIBRARIES.map((name) => file(`lib/${name}`, join(SYSROOT, name))),
    ...Object.entries(programs).map(([name, path]) => file(`bin/${name}`, path)),
  ]);
  const initrd = readFileSync(guest!.initrd);
  const padding = new Uint8Array((4 - (initrd.length % 4)) % 4);
  return record({
    kernel: { file: 'kernel', bytes: readFileSync(guest!.kernel) },
    initrd: { file: 'initrd', bytes: Buffer.concat([initrd, padding, extra]) },
    append: `${guest!.commandLine}${disks.length > 0 ? ' hindsight.modules=virtio_mmio,virtio_blk' : ''} hindsight.stdin=none hindsight.exec=${Buffer.from(command).toString('base64')}`,
    harts,
    disks,
    chaos,
  });
}

/** The same on the root disk. */
export async function diskScene(
  command: string,
  found: GuestDisk,
  options: { readonly harts?: number; readonly memory?: string } = {},
): Promise<LinuxScene> {
  const backend = new FileBackend(found.disk, { hash: found.manifest.files[0]!.sha256 });
  return record({
    kernel: { file: 'kernel', bytes: readFileSync(guest!.kernel) },
    initrd: { file: 'initrd', bytes: readFileSync(guest!.initrd) },
    append: commandLine({ exec: command, stdin: 'none', root: '/dev/vda' }),
    disks: [{ file: found.disk, backend }],
    ...options,
  });
}

async function record(options: MachineOptions): Promise<LinuxScene> {
  const room = createHostRoom();
  const machine = await Machine.create({ ...options, core: 'jit' }, room);
  let printed = '';
  machine.on('output', ({ bytes }) => (printed += Buffer.from(bytes).toString('latin1')));
  const past = new LivePast(machine, room);
  await machine.run();
  past.goBack();
  const target = timelineTarget(past.timeline, 'a boot');
  const guestInfo = new GuestInfo(target);
  const monitor = new Monitor(target, guestInfo);
  await target.mover.seek('100%');
  return { machine, target, guestInfo, monitor, printed: printed.replaceAll('\r', '') };
}
