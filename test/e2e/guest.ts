import { readFileSync } from 'node:fs';
import { beforeEach, describe } from 'vitest';
import { commandLine, type GuestBoot } from '../../src/guest/cmdline.ts';
import { ExecOutput, StdinEncoder } from '../../src/guest/exec-stream.ts';
import {
  buildDisk,
  buildGuest,
  findDisk,
  findGuest,
  type GuestDisk,
  type GuestImages,
} from '../../src/host/node/guest/index.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { type CoreKind, coreFactory } from '../../src/machine/engine/cores.ts';
import { Engine } from '../../src/machine/engine/engine.ts';
import type { RunResult } from '../../src/machine/session/driver.ts';
import { Machine, type MachineOptions } from '../../src/machine/session/machine.ts';
import {
  type Hardware,
  type HardwareOptions,
  type NamedBytes,
  planHardware,
} from '../../src/machine/session/options.ts';
import { LiveDoor } from '../../src/record/live-door.ts';
import { fixedSources } from '../../src/record/sources.ts';

/** Something a test needs, or why this machine does not have it. */
type Found<T> =
  | { readonly found: T; readonly reason?: undefined }
  | { readonly found?: undefined; readonly reason: string };

async function look<T extends { readonly stale: boolean }>(
  find: () => Promise<T | undefined>,
  build: () => Promise<T>,
): Promise<Found<T>> {
  const cached = await find();
  if (cached !== undefined && !cached.stale) return { found: cached };
  try {
    return { found: await build() };
  } catch (error) {
    return cached === undefined ? { reason: (error as Error).message } : { found: cached };
  }
}

let guest: Promise<Found<GuestImages>> | undefined;
let disk: Promise<Found<GuestDisk>> | undefined;

/** Debian's kernel and our initramfs: of the user's cache, or made now. */
export function theGuest(): Promise<Found<GuestImages>> {
  guest ??= look(findGuest, () => buildGuest());
  return guest;
}

/** The root disk: of the user's cache, or made now, which takes a minute. */
export function theDisk(): Promise<Found<GuestDisk>> {
  disk ??= look(findDisk, () => buildDisk());
  return disk;
}

/** A file's name and contents. */
export function load(file: string): NamedBytes {
  return { file, bytes: new Uint8Array(readFileSync(file)) };
}

/** Kernel and initramfs, once a test of {@link describeGuest} has begun. */
let images: { readonly kernel: NamedBytes; readonly initrd: NamedBytes } | undefined;

/** Kernel and initramfs. */
export function theImages(): NonNullable<typeof images> {
  if (images === undefined) throw new Error('the images are there only inside tests of describeGuest');
  return images;
}

/** For these tests' `it`: a boot is seconds of work, more on a machine that is busy with others. */
const PATIENT = { timeout: 900_000 };

/** A suite that needs the guest. Where there is none, each of its tests is skipped and says why. */
export function describeGuest(name: string, suite: () => void): void {
  describe(name, PATIENT, () => {
    beforeEach(async (context) => {
      const { found, reason } = await theGuest();
      if (found === undefined) context.skip(`there is no guest: ${reason}`);
      else images ??= { kernel: load(found.kernel), initrd: load(found.initrd) };
    }, PATIENT.timeout);
    suite();
  });
}

/** What the guest is booted with in comparisons: everything that enters is fixed. */
export function hardware(boot: GuestBoot, more: HardwareOptions = {}): Promise<Hardware> {
  return planHardware({ ...theImages(), append: commandLine(boot), ...more }, createHostRoom());
}

/** A machine without a host: fixed clock and entropy. Its console's output is appended to `text`. */
export function bareMachine(parts: Hardware, core: CoreKind): { engine: Engine; text: () => string } {
  const chunks: Uint8Array[] = [];
  const output = (_port: number, bytes: Uint8Array): void => void chunks.push(bytes.slice());
  const engine = new Engine({ ...parts, door: new LiveDoor(fixedSources(0)), core: coreFactory(core), output });
  return { engine, text: () => Buffer.concat(chunks).toString() };
}

/** What came of a command in the guest. */
export interface ExecResult {
  readonly output: string;
  readonly status: number | undefined;
  readonly console: string;
  readonly end: RunResult;
  readonly machine: Machine;
}

/** Most a guest may take, in instructions: a hang ends as a failed test that shows the console. */
const PATIENCE = 20e9;

/** Boots, runs a command as `hindsight run --exec` does, and powers off. */
export async function exec(
  command: string,
  more: MachineOptions & {
    readonly boot?: GuestBoot;
    readonly input?: string;
    /** Called with the machine before it runs. */
    readonly prepare?: (machine: Machine) => void;
  } = {},
): Promise<ExecResult> {
  const { boot, input, prepare, ...options } = more;
  const append = commandLine({ exec: command, stdin: input === undefined ? 'none' : 'stream', ...boot });
  const machine = await Machine.create({ ...theImages(), append, ...options }, createHostRoom());
  prepare?.(machine);
  const result = new ExecOutput();
  const output: Uint8Array[] = [];
  let text = '';
  let typed = input === undefined;
  machine.on('console', (bytes) => {
    text += Buffer.from(bytes).toString('latin1');
    output.push(result.push(bytes));
    if (typed || !result.begun) return;
    typed = true;
    const encoder = new StdinEncoder();
    machine.write(encoder.encode(Buffer.from(input!)));
    machine.write(encoder.end());
  });
  const end = await machine.run({ instructions: PATIENCE });
  await machine.close();
  output.push(result.flush());
  return { output: Buffer.concat(output).toString(), status: result.status, console: text, end, machine };
}
