import {
  closeSync,
  constants,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { ControlClient } from '../../host/node/control.ts';
import { CliError } from '../exit.ts';

const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;
const PERMISSIONS = 0o777;

/** A file of a machine that runs, or is kept by its name. */
export interface MachinePlace {
  readonly machine: string;
  /** `vda`, `vdb`, …; left out: what is the guest's root. */
  readonly volume?: string;
  readonly path: string;
}

/** What was copied. */
interface LiveCount {
  files: number;
  bytes: number;
}

const MACHINE = /^([\w.-]{1,64}):(?:(vd[a-z]):)?(\/.*)$/s;

/** Reads `NAME:/PATH` or `NAME:vda:/PATH`; undefined for something else. */
export function parseMachine(text: string): MachinePlace | undefined {
  const [, machine, volume, path] = MACHINE.exec(text) ?? [];
  if (machine === undefined || path === undefined) return undefined;
  return { machine, path, ...(volume !== undefined && { volume }) };
}

/** @throws CliError for a disk of a machine that runs: what is on it is not what the guest sees */
function refuseVolume({ machine, volume, path }: MachinePlace): void {
  if (volume !== undefined)
    throw new CliError(`machine ${machine} runs, and its guest gives files by their paths: ${machine}:${path}`);
}

/** Copies a file or folder of this host into a machine that runs. @returns what is to be said of it */
export async function copyIn(from: string, place: MachinePlace): Promise<string> {
  refuseVolume(place);
  const { machine, path } = place;
  if (lstatSync(from, { throwIfNoEntry: false }) === undefined) throw new CliError(`${from}: there is no such file`);
  using client = await ControlClient.open(machine);
  const folder = await client.stat(path).then(
    ({ kind }) => kind === 'directory',
    () => path.endsWith('/'),
  );
  const count = { files: 0, bytes: 0 };
  await putIn(client, from, folder ? join(path, basename(from)) : path, count);
  return told(count, machine);
}

async function putIn(client: ControlClient, from: string, to: string, count: LiveCount): Promise<void> {
  const stat = lstatSync(from);
  if (stat.isDirectory()) {
    await client.mkdir(to);
    for (const name of readdirSync(from)) await putIn(client, join(from, name), `${to}/${name}`, count);
  } else if (stat.isSymbolicLink()) await client.symlink(to, readlinkSync(from));
  else if (stat.isFile()) {
    const contents = readFileSync(from);
    await client.write(to, contents, stat.mode & PERMISSIONS);
    count.bytes += contents.length;
    count.files++;
  } else throw new CliError(`${from} is no file, folder or link`);
}

/** Copies a file or folder out of a machine that runs; nothing is written but at `to` and below. @returns what is to be said of it */
export async function copyFrom(place: MachinePlace, to: string): Promise<string | undefined> {
  refuseVolume(place);
  const { machine, path } = place;
  using client = await ControlClient.open(machine);
  if (to === '-') {
    process.stdout.write(await client.read(path));
    return undefined;
  }
  const folder = statSync(to, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const count = { files: 0, bytes: 0 };
  await takeOut(client, path, folder ? join(to, basename(path) || machine) : to, count);
  return told(count, machine);
}

async function takeOut(client: ControlClient, from: string, to: string, count: LiveCount): Promise<void> {
  const { kind, mode, target } = await client.stat(from);
  if (kind === 'directory') {
    if (lstatSync(to, { throwIfNoEntry: false })?.isDirectory() !== true) mkdirSync(to);
    for (const { name } of await client.list(from)) {
      if (name === '' || name === '.' || name === '..' || name.includes('/'))
        throw new CliError(`${from} of the guest has a file of the impossible name ${JSON.stringify(name)}`);
      await takeOut(client, `${from}/${name}`, join(to, name), count);
    }
  } else if (kind === 'symbolic link') symlinkSync(target ?? '', to);
  else if (kind === 'file') {
    const contents = await client.read(from);
    const fd = openSync(to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
    try {
      for (let at = 0; at < contents.length; ) at += writeSync(fd, contents, at);
      fchmodSync(fd, mode & PERMISSIONS);
    } finally {
      closeSync(fd);
    }
    count.bytes += contents.length;
    count.files++;
  } else throw new CliError(`${from} of the guest is no file, folder or link, but a ${kind}`);
}

const told = ({ files, bytes }: LiveCount, machine: string): string =>
  `${files} files, ${bytes} bytes, with the running machine ${machine}`;
