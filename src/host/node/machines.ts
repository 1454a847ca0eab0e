import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../../machine/engine/engine.ts';
import type { StartSnapshot } from '../../machine/session/session.ts';
import type { BlockBackend } from '../../storage/index.ts';
import { dataFolder, isKeptName } from './data.ts';
import { type Lock, takeLock } from './lock.ts';
import { KeptDisk } from './overlay-file.ts';
import { replaceFile } from './replace-file.ts';
import { SnapshotStore } from './snapshots/index.ts';

/** A machine that has a name cannot be had; says which and what to do. */
class MachineNameError extends Error {
  override name = 'MachineNameError';
}

/** How a machine was left. */
interface Suspended {
  /** Name of its snapshot in the machine's own store. */
  readonly state: string;
  /** Of each disk: the overlay's last commit, null for one that has none. */
  readonly commits: readonly (number | null)[];
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Seconds of guest time. */
  readonly guestTime: number;
}

/** What is known of a machine while it does not run. */
interface MachineRecord {
  readonly format: 1;
  /** Milliseconds since 1970. */
  readonly made: number;
  /** Flags it was made with. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** What its guest was told to do when it was switched on. */
  readonly words?: string;
  /** Left out while it is switched off. */
  readonly suspended?: Suspended;
}

/** A machine in a list. */
export interface ListedMachine {
  readonly name: string;
  readonly state: 'running' | 'suspended' | 'off' | 'damaged';
  readonly flags: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970 of its suspension, and its guest time then in seconds. */
  readonly suspended?: { readonly at: number; readonly guestTime: number };
  /** Bytes on this host. */
  readonly bytes: number;
}

const RECORD = 'machine.json';

const folderOf = (name: string): string => join(dataFolder('machines'), name);

function checkName(name: string): void {
  if (!isKeptName(name))
    throw new MachineNameError(`"${name}" is no name for a machine: expected up to 64 letters, digits and . _ -`);
}

async function readRecord(name: string): Promise<MachineRecord | undefined> {
  const file = join(folderOf(name), RECORD);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const record = JSON.parse(text) as MachineRecord;
    if (record.format === 1 && typeof record.flags === 'object') return record;
  } catch {
    // As below.
  }
  throw new MachineNameError(
    `${file} is damaged, or of a newer release: use that release, or remove the machine with "hindsight rm ${name}"`,
  );
}

/**
 * A machine with a name, which is kept between runs in a folder of its own: how it was left and what was written to its disks. While one is open, no
 * other process has it.
 */
export class NamedMachine {
  readonly name: string;
  private record: MachineRecord | undefined;
  private readonly lock: Lock;

  private constructor(name: string, lock: Lock, record: MachineRecord | undefined) {
    this.name = name;
    this.lock = lock;
    this.record = record;
  }

  /** @throws MachineNameError for what is no name, while it runs elsewhere, and where what is kept of it is damaged */
  static async open(name: string): Promise<NamedMachine> {
    checkName(name);
    const lock = await takeLock('machine', folderOf(name));
    if (lock === undefined)
      throw new MachineNameError(
        `machine ${name} is running already: go on with it there, leave it by Ctrl-A d, or run another name`,
      );
    try {
      return new NamedMachine(name, lock, await readRecord(name));
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Flags it was made with; undefined for a new one. */
  get flags(): Readonly<Record<string, unknown>> | undefined {
    return this.record?.flags;
  }

  /** What its guest was told to do when it was switched on, if it was. */
  get words(): string | undefined {
    return this.record?.words;
  }

  /** Keeps the words that say what its guest shall do. */
  noteWords(words: string): Promise<void> {
    return this.put({ ...this.record!, words });
  }

  /** When it was suspended, if it is. */
  get suspended(): Suspended | undefined {
    return this.record?.suspended;
  }

  /** Makes it: it is switched off. */
  async make(flags: Readonly<Record<string, unknown>>): Promise<void> {
    await mkdir(folderOf(this.name), { recursive: true, mode: 0o700 });
    await this.put({ format: 1, made: Date.now(), flags });
  }

  /** Where the overlay of a disk is. */
  overlay(disk: number): string {
    return join(folderOf(this.name), `disk${disk}.hso`);
  }

  /** Where it was left. @throws StateError when that is damaged */
  openState({ state }: Suspended): Promise<StartSnapshot> {
    return this.store.open(state);
  }

  /**
   * Keeps the machine as it is, between two instructions; at any moment what was kept before is there, or this.
   * @throws when there is no room, saying so: what was kept before stays
   */
  async suspend(engine: Engine, backends: readonly BlockBackend[], guestTime: number): Promise<void> {
    for (const backend of backends) backend.keepNow?.();
    const before = this.suspended;
    const state = before?.state === 'a' ? 'b' : 'a';
    // What the overlays have need not be in the snapshot, too.
    const { disks } = engine.board;
    const written = disks.map((disk) => [...disk.writtenChunks()]);
    try {
      for (const [i, backend] of backends.entries()) if (backend instanceof KeptDisk) disks[i]!.clear();
      await this.store.save(state, engine);
    } finally {
      for (const [i, chunks] of written.entries()) disks[i]!.restoreChunks(chunks);
    }
    const commits = backends.map((backend) => (backend instanceof KeptDisk ? backend.sequence : null));
    await this.put({ ...this.record!, suspended: { state, commits, at: Date.now(), guestTime } });
    if (before !== undefined) await this.store.remove(before.state);
  }

  /** The guest switched it off: the next run boots again with its disks. */
  async switchedOff(): Promise<void> {
    const { suspended: before, ...record } = this.record!;
    await this.put(record);
    if (before !== undefined) await this.store.remove(before.state);
  }

  /** Lets other processes have it. */
  release(): void {
    this.lock.release();
  }

  private get store(): SnapshotStore {
    return new SnapshotStore(join(folderOf(this.name), 'states'));
  }

  private async put(record: MachineRecord): Promise<void> {
    await replaceFile(join(folderOf(this.name), RECORD), `${JSON.stringify(record)}\n`);
    this.record = record;
  }
}

/** All machines that have names. */
export async function listMachines(): Promise<ListedMachine[]> {
  const names = existsSync(dataFolder('machines')) ? (await readdir(dataFolder('machines'))).sort() : [];
  const listed: ListedMachine[] = [];
  for (const name of names.filter(isKeptName)) {
    const lock = await takeLock('machine', folderOf(name));
    lock?.release();
    const bytes = await sizeOf(folderOf(name));
    try {
      const record = await readRecord(name);
      if (record === undefined) continue;
      const { flags, suspended } = record;
      listed.push({
        name,
        flags,
        bytes,
        state: lock === undefined ? 'running' : suspended === undefined ? 'off' : 'suspended',
        ...(suspended && { suspended: { at: suspended.at, guestTime: suspended.guestTime } }),
      });
    } catch (error) {
      if (!(error instanceof MachineNameError)) throw error;
      listed.push({ name, flags: {}, bytes, state: 'damaged' });
    }
  }
  return listed;
}

/** Removes a machine with its disks' overlays. @throws MachineNameError when there is none, or it runs */
export async function removeMachine(name: string): Promise<void> {
  checkName(name);
  if (!existsSync(folderOf(name)))
    throw new MachineNameError(`there is no machine "${name}" to remove: "hindsight list" shows all`);
  const lock = await takeLock('machine', folderOf(name));
  if (lock === undefined) throw new MachineNameError(`machine ${name} is running: end it before it is removed`);
  try {
    await rm(folderOf(name), { recursive: true, force: true });
  } finally {
    lock.release();
  }
}

/** Bytes of the files in a folder. */
async function sizeOf(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) sum += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return sum;
}
