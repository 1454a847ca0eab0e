import type { Command } from 'commander';
import type { GuestBuildFlags } from './commands/guest.ts';
import type { SnapshotSaveFlags } from './commands/snapshot.ts';
import { json, opens, quiet } from './common-flags.ts';
import { parsePackageNames } from './values.ts';

/** The commands for what is kept: guests, snapshots, machines with names, disks. @param finish takes the exit status */
export function addStoreCommands(program: Command, finish: (status: number) => void): void {
  const guest = program.command('guest').description('Build and list guest images').helpCommand(false);
  quiet(guest.command('build').description('Make the Debian guest: kernel, busybox, modules'))
    .option(
      '--disk [kind]',
      'make a root disk too: debian, files with Python, gcc and sqlite3; full, a whole Debian with systemd, apt and ssh',
    )
    .option(
      '--packages <names>',
      'a root disk that has these Debian packages too, such as git,fio; run takes it as --disk debian+git,fio',
      (text: string) => parsePackageNames('--packages', text),
    )
    .option('--mirror <url>', "Debian mirror; otherwise that of this machine's apt")
    .option('--rebuild', 'make it again although it is there')
    .action(async (flags: GuestBuildFlags) => finish(await (await import('./commands/guest.ts')).guestBuild(flags)));
  json(guest.command('list').description('List the built images'), 'as JSON').action(
    async (flags: { json?: boolean }) => finish(await (await import('./commands/guest.ts')).guestList(flags)),
  );

  const snapshot = program
    .command('snapshot')
    .description('Keep machines as they are at an instant, to go on from')
    .helpCommand(false);
  quiet(
    opens(
      snapshot
        .command('save')
        .description('Keep the machine of a recording as it was at an instant')
        .argument('<recording@instant>', 'such as boot.hsr@50%, boot.hsr@2.5s, boot.hsr@1234567')
        .argument('<name>', 'a name for run --from, or a file that ends in .hss: that needs no other'),
    ),
  ).action(async (source: string, target: string, flags: SnapshotSaveFlags) =>
    finish(await (await import('./commands/snapshot.ts')).snapshotSave(source, target, flags)),
  );
  json(snapshot.command('list').description('List the snapshots that have names'), 'as JSON').action(
    async (flags: { json?: boolean }) => finish(await (await import('./commands/snapshot.ts')).snapshotList(flags)),
  );
  json(
    snapshot.command('info').description('Tell what a snapshot holds').argument('<snapshot>', 'its name, or a file'),
    'as JSON',
  ).action(async (which: string, flags: { json?: boolean }) =>
    finish(await (await import('./commands/snapshot.ts')).snapshotInfo(which, flags)),
  );
  snapshot
    .command('rm')
    .description('Remove snapshots by their names')
    .argument('<name...>')
    .action(async (names: string[]) => finish(await (await import('./commands/snapshot.ts')).snapshotRemove(names)));

  json(program.command('list').description('List the machines that have names (run --name)'), 'as JSON').action(
    async (flags: { json?: boolean }) => finish(await (await import('./commands/machines.ts')).machineList(flags)),
  );
  program
    .command('rm')
    .description('Remove machines by their names, with what was written to their disks')
    .argument('<name...>')
    .action(async (names: string[]) => finish(await (await import('./commands/machines.ts')).machineRemove(names)));

  const disk = program
    .command('disk')
    .description('What is written to disks, kept over their images by run --disk FILE,overlay=NAME')
    .helpCommand(false);
  const OVERLAY = 'the name of a disk that is kept, or an overlay file';
  json(disk.command('list').description('List the disks that are kept by name'), 'as JSON').action(
    async (flags: { json?: boolean }) => finish(await (await import('./commands/disk.ts')).diskList(flags)),
  );
  json(
    disk.command('info').description('Tell what an overlay holds, and read all of it').argument('<overlay>', OVERLAY),
    'as JSON',
  ).action(async (name: string, flags: { json?: boolean }) =>
    finish(await (await import('./commands/disk.ts')).diskInfo(name, flags)),
  );
  disk
    .command('commit')
    .description('Put what was written into the base image, a raw one, and remove the overlay')
    .argument('<overlay>', OVERLAY)
    .action(async (name: string) => finish(await (await import('./commands/disk.ts')).diskCommit(name)));
  disk
    .command('drain')
    .description('Put what a crash left in the journal (write=back) into the overlay, as the next run would')
    .argument('<overlay>', OVERLAY)
    .option('--lose', 'give that up instead, where the journal is gone or damaged: the disk is as of an earlier flush')
    .action(async (name: string, flags: { lose?: boolean }) =>
      finish(await (await import('./commands/disk.ts')).diskDrain(name, flags)),
    );
  disk
    .command('discard')
    .description('Remove an overlay: the disk is its base again')
    .argument('<overlay>', OVERLAY)
    .action(async (name: string) => finish(await (await import('./commands/disk.ts')).diskDiscard(name)));
  disk
    .command('export')
    .description('Write the disk as the guest sees it, as a raw image')
    .argument('<overlay>', OVERLAY)
    .argument('<file>', 'the image to write')
    .action(async (name: string, file: string) =>
      finish(await (await import('./commands/disk.ts')).diskExport(name, file)),
    );

  const RUNNING = 'the name of a machine that runs with --control NAME';
  disk
    .command('status')
    .description("Tell what the cache and journal of a running machine's disks did so far")
    .argument('<machine>', RUNNING)
    .action(async (name: string) => finish(await (await import('./commands/disk.ts')).diskStatus(name)));
  disk
    .command('set')
    .description('Change how a disk of a running machine works; the guest notices nothing')
    .argument('<machine>', RUNNING)
    .argument('<disk>', 'vda, vdb …')
    .argument('<setting>', 'write=back, write=through, or cache=SIZE[:lru|2q|arc|s3fifo] of a disk on a server')
    .action(async (name: string, which: string, setting: string) =>
      finish(await (await import('./commands/disk.ts')).diskSet(name, which, setting)),
    );
}
