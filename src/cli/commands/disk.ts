import { ControlClient } from '../../host/node/control.ts';
import { keptOverlays, overlayPath } from '../../host/node/overlay-file.ts';
import {
  commitOverlay,
  discardOverlay,
  drainOverlay,
  exportOverlay,
  type OverlayReport,
  reportOverlay,
} from '../../host/node/overlay-tools.ts';
import { OverlayError } from '../../storage/index.ts';
import { EXIT } from '../exit.ts';
import { formatBytes } from '../values.ts';

const out = (line: string): void => void process.stdout.write(`${line}\n`);

/** An overlay in a list: one that cannot be read is listed with what is wrong. */
type Listed = { readonly name: string } & (OverlayReport | { readonly file: string; readonly problem: string });

/** `hindsight disk list`. */
export async function diskList(flags: { readonly json?: boolean }): Promise<number> {
  const listed: Listed[] = [];
  for (const { name, path } of keptOverlays()) {
    try {
      listed.push({ name, ...(await reportOverlay(path, false)) });
    } catch (error) {
      if (!(error instanceof OverlayError)) throw error;
      listed.push({ name, file: path, problem: error.message });
    }
  }
  if (flags.json) {
    out(JSON.stringify(listed));
    return EXIT.OK;
  }
  if (listed.length === 0)
    process.stderr.write('hindsight: no disk is kept by name; hindsight run --disk FILE,overlay=NAME makes one\n');
  for (const disk of listed) {
    out(
      'problem' in disk
        ? `${disk.name.padEnd(20)} ${disk.problem}`
        : `${disk.name.padEnd(20)} ${formatBytes(disk.changed).padStart(10)} over ${disk.base}${disk.inUse ? ', in use' : ''}`,
    );
  }
  return EXIT.OK;
}

/** `hindsight disk info`: reads all of it. */
export async function diskInfo(name: string, flags: { readonly json?: boolean }): Promise<number> {
  const report = await reportOverlay(overlayPath(name), true);
  if (flags.json) {
    out(JSON.stringify(report));
    return EXIT.OK;
  }
  const row = (what: string, value: string): void => out(`${what.padEnd(10)}${value}`);
  row('overlay', `${report.file}, ${formatBytes(report.bytes)}${report.inUse ? ', in use' : ''}`);
  row('base', `${report.base}, ${formatBytes(report.size)}, SHA-256 ${report.baseHash}`);
  row('changed', `${formatBytes(report.changed)} of the disk, by ${report.commits} commits; all of it is sound`);
  if (report.journal !== undefined)
    row(
      'journal',
      `${report.journal}${report.inUse ? '' : ' has what was flushed last: it is put here by the next run, or by hindsight disk drain'}`,
    );
  if (report.merging) row('commit', 'to the base was interrupted: hindsight disk commit finishes it');
  return EXIT.OK;
}

/** `hindsight disk commit`. */
export async function diskCommit(name: string): Promise<number> {
  const { base, changed } = await commitOverlay(overlayPath(name));
  process.stderr.write(`hindsight: ${formatBytes(changed)} were put into ${base}; the overlay is gone\n`);
  return EXIT.OK;
}

/** `hindsight disk drain`. */
export async function diskDrain(name: string, flags: { readonly lose?: boolean }): Promise<number> {
  const journal = await drainOverlay(overlayPath(name), flags.lose ?? false);
  process.stderr.write(
    journal === undefined
      ? `hindsight: overlay ${name} has no journal; nothing was to be done\n`
      : `hindsight: what was in ${journal} was ${flags.lose ? 'given up' : 'put into the overlay'}; the journal is gone\n`,
  );
  return EXIT.OK;
}

/** `hindsight disk discard`. */
export async function diskDiscard(name: string): Promise<number> {
  await discardOverlay(overlayPath(name));
  return EXIT.OK;
}

/** `hindsight disk export`. */
export async function diskExport(name: string, target: string): Promise<number> {
  const size = await exportOverlay(overlayPath(name), target);
  process.stderr.write(`hindsight: wrote ${target}, ${formatBytes(size)}\n`);
  return EXIT.OK;
}

/** `hindsight disk status`: what the tiers of a running machine's disks did so far. */
export async function diskStatus(machine: string): Promise<number> {
  using client = await ControlClient.open(machine);
  for (const line of await client.disks()) out(line);
  return EXIT.OK;
}

/** `hindsight disk set`: changes how a disk of a running machine works. */
export async function diskSet(machine: string, disk: string, setting: string): Promise<number> {
  using client = await ControlClient.open(machine);
  for (const line of await client.changeDisk(disk, setting)) out(line);
  return EXIT.OK;
}
