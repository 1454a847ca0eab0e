import { HttpDisk } from '../host/http-disk.ts';
import type { ControlDisks } from '../host/node/control.ts';
import { KeptDisk } from '../host/node/overlay-file.ts';
import type { DiskOption } from '../machine/session/options.ts';
import { POLICIES, type PolicyName } from '../storage/cache/policy.ts';
import type { CacheOptions } from '../storage/chunked.ts';
import { OverlaidBackend } from '../storage/index.ts';
import { UsageError } from './exit.ts';
import { formatBytes, parseChoice, parseSize } from './values.ts';

const SMALLEST_CACHE = 2 ** 20;
const LARGEST_CACHE = 2 ** 36;

/** `SIZE[:POLICY]`. @throws UsageError */
export function parseDiskCache(flag: string, text: string): CacheOptions {
  const [size, policy] = text.split(':');
  return {
    bytes: parseSize(flag, size!, SMALLEST_CACHE, LARGEST_CACHE),
    ...(policy !== undefined && { policy: parseChoice(flag, policy, Object.keys(POLICIES) as PolicyName[]) }),
  };
}

/** A disk on a server, by itself or beneath what is kept of it. */
function serverDisk(backend: DiskOption['backend']): HttpDisk | undefined {
  const base = backend instanceof OverlaidBackend ? backend.base : backend;
  return base instanceof HttpDisk ? base : undefined;
}

/** What the tiers of disks did so far, a line each. */
export function diskLines(disks: readonly DiskOption[]): string[] {
  return disks.flatMap(({ file, backend }) => {
    const lines: string[] = [];
    if (backend instanceof KeptDisk) {
      const { policy, journaled, put, waiting, stalls } = backend.written;
      const journal =
        policy === 'back' || journaled.flushes > 0
          ? ` ${journaled.flushes} flushes (${formatBytes(journaled.bytes)}) to the journal, ${formatBytes(waiting)} of it not yet in the overlay, ${stalls} waits for room;`
          : '';
      lines.push(
        `disk ${file}, write-${policy}:${journal} ${put.commits} commits (${formatBytes(put.bytes)}) to the overlay`,
      );
    }
    const server = serverDisk(backend);
    if (server !== undefined) {
      const { memory, stored, fetched } = server.tiers;
      const wanted = memory.hits + memory.misses;
      const tier = ({ chunks, bytes }: typeof stored): string => `${chunks} (${formatBytes(bytes)})`;
      lines.push(
        `disk ${file}: ${wanted} chunks read; ${memory.hits} from memory (${memory.policy}, ${formatBytes(memory.bytes)} of ${formatBytes(memory.capacity)}), ${tier(stored)} kept on this host, ${tier(fetched)} from the server`,
      );
    }
    return lines;
  });
}

/** Changes one setting of a disk. @throws UsageError for what it has not */
function change(name: string, backend: DiskOption['backend'], setting: string): void {
  const [what, value = ''] = setting.split('=', 2);
  if (what === 'write') {
    const policy = parseChoice('write', value, ['through', 'back'] as const);
    if (!(backend instanceof KeptDisk))
      throw new UsageError(`disk ${name} keeps nothing of what is written: run it with FILE,overlay=NAME`);
    backend.setWrites(policy);
  } else if (what === 'cache') {
    const options = parseDiskCache('cache', value);
    const server = serverDisk(backend);
    if (server === undefined) throw new UsageError(`disk ${name} has no cache: it is not on a server`);
    server.setCache(options);
  } else throw new UsageError(`"${setting}": expected write=through, write=back or cache=SIZE[:POLICY]`);
}

/** The disks of a machine that runs, for other processes. */
export const controlDisks = (disks: readonly DiskOption[] = []): ControlDisks => ({
  tell: () => diskLines(disks),
  change(name, setting) {
    const index = /^vd[a-z]$/.test(name) ? name.charCodeAt(2) - 0x61 : -1;
    const disk = disks[index];
    if (disk === undefined) {
      const there = disks.map((_, i) => `vd${String.fromCharCode(0x61 + i)}`).join(', ') || 'none';
      throw new UsageError(`the machine has no disk "${name}"; its disks: ${there}`);
    }
    change(name, disk.backend, setting);
  },
});
