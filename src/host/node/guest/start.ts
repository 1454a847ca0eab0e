import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { StateError } from '../../../bytes/state-stream.ts';
import { bootLines, type GuestBoot, WAIT_WORD } from '../../../guest/cmdline.ts';
import { READY_MARKER, SESSION_PORT } from '../../../guest/init-script.ts';
import { Machine } from '../../../machine/session/machine.ts';
import { type HardwareOptions, type NamedBytes, planConfig } from '../../../machine/session/options.ts';
import type { StartSnapshot } from '../../../machine/session/session.ts';
import { STATE_VERSION } from '../../../machine/state/snapshot-format.ts';
import { MACHINE_VERSION } from '../../../record/format.ts';
import { GuestSession, type SandboxMachine } from '../../../sandbox/guest-session.ts';
import { createHostRoom } from '../../room.ts';
import { openPartly } from '../partly-read.ts';
import { SnapshotStore, SnapshotStoreError } from '../snapshots/store.ts';
import type { GuestImages } from './build.ts';
import { cacheDirectory } from './cache.ts';
import { GuestBuildError } from './errors.ts';

/** Seconds of guest time in which /init must be ready. */
const LONGEST_BOOT = 120;
/** Instructions between looks at whether it is. */
const STEP = 1_000_000;
/** What all of the guest's own snapshots may take on disk: a dozen guests' or more. Those used longest ago go first. */
const MOST_BYTES = 256 * 2 ** 20;

/** The folder of the guest's own snapshots, one for each configuration of the machine that was used. */
const startDirectory = (): string => join(cacheDirectory(), 'starts');

/** Kernel and initramfs of a guest whose /init waits for what it is to do; {@link provideStart} has snapshots of such machines. */
export async function waitingGuest(
  guest: GuestImages,
): Promise<Required<Pick<HardwareOptions, 'kernel' | 'initrd' | 'append'>>> {
  const hashes = new Map(guest.manifest.files.map(({ name, sha256 }) => [name, sha256]));
  const named = async (file: string): Promise<NamedBytes> => {
    const hash = hashes.get(basename(file));
    return hash === undefined ? { file, bytes: await readFile(file) } : { ...openPartly(file), hash };
  };
  return {
    kernel: await named(guest.kernel),
    initrd: await named(guest.initrd),
    append: `${guest.commandLine} ${WAIT_WORD}`,
  };
}

/** Which of the guest's own snapshots of a machine is wanted. */
interface GuestStartOptions {
  /**
   * The one after /init did this, where the agent of the session channel has answered and run its first command; without it the one where /init
   * waits for what it is to do.
   */
  readonly session?: GuestBoot;
  /** Called when it has to be made. */
  readonly making?: () => void;
}

/**
 * The guest's own snapshot for a machine: booted up to where /init waits for what it is to do (`hindsight.wait` must be in its command line), or where
 * its session channel answers. Made when it is not there. One that is damaged is made again.
 * @throws GuestBuildError when the guest does not come that far
 */
export async function provideStart(hardware: HardwareOptions, options: GuestStartOptions = {}): Promise<StartSnapshot> {
  const room = createHostRoom();
  const config = await planConfig(hardware, room);
  const words = options.session && bootLines({ ...options.session, session: true });
  // What files are called makes no difference.
  const identity = JSON.stringify([MACHINE_VERSION, STATE_VERSION, config, words], (key, value: unknown) =>
    key === 'file' ? undefined : value,
  );
  const name = createHash('sha256').update(identity).digest('hex').slice(0, 32);
  const store = new SnapshotStore(startDirectory());
  try {
    return await store.open(name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && !(error instanceof StateError) && !(error instanceof SnapshotStoreError)) throw error;
  }
  options.making?.();
  await using machine = await Machine.create({ ...hardware, clock: 'virtual', hashEvery: 0 }, room);
  await bootToStart(machine, words, room);
  await store.save(name, machine.internals.engine);
  await store.shrink(MOST_BYTES, name);
  return store.open(name);
}

/** A machine found the guest's own snapshot to be damaged: it is made again at the next start. @param hash SHA-256 of its file */
export const forgetStart = (hash: string): Promise<void> => new SnapshotStore(startDirectory()).forget(hash);

/** Runs a machine to where the guest's own snapshot of it is taken. */
async function bootToStart(
  machine: Machine,
  words: string | undefined,
  room: ReturnType<typeof createHostRoom>,
): Promise<void> {
  let console = '';
  machine.on('console', (bytes) => (console = (console + new TextDecoder('latin1').decode(bytes)).slice(-2000)));
  // In steps, so that the snapshot is the same whenever it is made.
  const runUntil = async (reached: () => boolean): Promise<void> => {
    while (!reached()) {
      const { reason } = await machine.run({ instructions: machine.instant.instructions + STEP });
      await room.yieldToHost();
      if (reached() || (reason === 'limit' && machine.guestTime <= LONGEST_BOOT)) continue;
      throw new GuestBuildError(
        `the guest did not come up to be snapshotted; boot it with --cold to see why. It said last: ${JSON.stringify(console.slice(-200))}`,
      );
    }
  };
  const done = async (promise: Promise<unknown>): Promise<void> => {
    let outcome: 'success' | Error | undefined;
    promise.then(
      () => (outcome = 'success'),
      (error: Error) => (outcome = error),
    );
    await runUntil(() => outcome !== undefined);
    if (outcome instanceof Error) throw outcome;
  };
  await runUntil(() => console.includes(READY_MARKER));
  if (words === undefined) return;
  void machine.write(words);
  const attached = GuestSession.attach(sessionPort(machine), false);
  await done(attached);
  // What every command needs is in the guest's memory then.
  await done((await attached).exec('true'));
}

/** The session port of a machine that somebody else runs, and that nothing but its own clock and numbers drive. */
function sessionPort(machine: Machine): SandboxMachine {
  return {
    send: (bytes) => void machine.send(SESSION_PORT, bytes),
    onReceive: (listener) =>
      machine.on('output', ({ port, bytes }) => {
        if (port === SESSION_PORT) listener(bytes);
      }),
    onEnd: () => () => undefined,
    entropy: (length) => new Uint8Array(length),
    clock: () => 0n,
    after: () => () => undefined,
  };
}
