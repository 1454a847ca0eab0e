import { accessSync, constants, existsSync } from 'node:fs';
import { freemem } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { cacheDirectory, findDisk, findGuest } from '../../host/node/guest/index.ts';
import { EXIT } from '../exit.ts';
import { formatBytes } from '../values.ts';

/** One thing looked at. `needed` ones decide the exit status. */
interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly needed: boolean;
  readonly detail: string;
}

const OLDEST = 20;
/** A machine of the usual size and what the process needs besides. */
const WANTED_MEMORY = (512 + 150) * 2 ** 20;
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

const onPath = (command: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((dir) => join(dir, command))
    .find((file) => existsSync(file));

function compiles(): boolean {
  try {
    return new WebAssembly.Module(EMPTY_MODULE) instanceof WebAssembly.Module;
  } catch {
    return false;
  }
}

function cacheWritable(): boolean {
  for (let dir = cacheDirectory(); ; dir = dirname(dir)) {
    if (!existsSync(dir)) continue;
    try {
      accessSync(dir, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  }
}

async function look(): Promise<Finding[]> {
  const guest = await findGuest();
  const disk = await findDisk();
  const apt = onPath('apt-get') !== undefined && onPath('dpkg-deb') !== undefined;
  const optional = (name: string, command: string, use: string): Finding => {
    const file = onPath(command);
    return { name, ok: file !== undefined, needed: false, detail: file ?? `not installed; ${use}` };
  };
  const describe = (
    found: { readonly stale: boolean; readonly directory: string } | undefined,
    make: string,
  ): string =>
    found === undefined
      ? `not built yet; ${make}`
      : `${found.directory}${found.stale ? ` (made by another version; ${make} renews it)` : ''}`;
  return [
    {
      name: 'Node',
      ok: Number(process.versions.node.split('.')[0]) >= OLDEST,
      needed: true,
      detail: `${process.versions.node}, V8 ${process.versions.v8}`,
    },
    {
      name: 'WebAssembly',
      ok: compiles(),
      needed: true,
      detail: compiles() ? 'modules can be compiled at run time' : 'the runtime refuses to compile modules',
    },
    {
      name: 'memory',
      ok: freemem() >= WANTED_MEMORY,
      needed: false,
      detail: `${formatBytes(freemem())} free; a machine of 512 MiB wants ${formatBytes(WANTED_MEMORY)}`,
    },
    { name: 'cache', ok: cacheWritable(), needed: false, detail: cacheDirectory() },
    { name: 'guest', ok: guest !== undefined, needed: !apt, detail: describe(guest, 'hindsight guest build') },
    {
      name: 'root disk',
      ok: disk !== undefined,
      needed: false,
      detail: describe(disk, 'hindsight guest build --disk'),
    },
    {
      name: 'apt',
      ok: apt,
      needed: guest === undefined,
      detail: apt ? 'can make the guest' : 'not here; bring images with --kernel, --initrd, --disk',
    },
    {
      name: 'terminal',
      ok: process.stdin.isTTY && process.stdout.isTTY,
      needed: false,
      detail: process.stdout.isTTY
        ? `${process.stdout.columns}×${process.stdout.rows}`
        : 'standard input or output is none',
    },
    optional('QEMU', 'qemu-system-riscv64', 'hindsight bench compares with it'),
    optional('gdb', 'gdb-multiarch', 'hindsight debug --gdb serves it'),
  ];
}

/** `hindsight doctor`: says what is here and what is missing. Fails when a machine could not run. */
export async function doctor(flags: { readonly json?: boolean }): Promise<number> {
  const findings = await look();
  const ok = findings.every((f) => f.ok || !f.needed);
  if (flags.json) process.stdout.write(`${JSON.stringify({ ok, findings })}\n`);
  else
    for (const f of findings)
      process.stdout.write(`${f.ok ? 'ok     ' : f.needed ? 'MISSING' : '-      '} ${f.name.padEnd(12)} ${f.detail}\n`);
  return ok ? EXIT.OK : EXIT.FAILURE;
}
