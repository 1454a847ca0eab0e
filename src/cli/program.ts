import { Command, type CommanderError } from 'commander';
import type { BranchFlags } from './commands/branch.ts';
import type { CacheFlags } from './commands/cache.ts';
import type { CpFlags } from './commands/cp.ts';
import type { DebugFlags } from './commands/debug.ts';
import type { ExportFlags } from './commands/export.ts';
import type { GuestBuildFlags } from './commands/guest.ts';
import type { InfoFlags } from './commands/info.ts';
import type { MarksFlags } from './commands/marks.ts';
import type { ProbeFlags } from './commands/probe.ts';
import type { RelayFlags } from './commands/relay.ts';
import type { ReplayFlags } from './commands/replay.ts';
import type { SnapshotSaveFlags } from './commands/snapshot.ts';
import type { StraceFlags } from './commands/strace.ts';
import type { SymbolsFlags } from './commands/symbols.ts';
import type { WebFlags } from './commands/web.ts';
import { EXIT, UsageError } from './exit.ts';
import { groupCommands } from './help-groups.ts';
import { addQuestions } from './question-commands.ts';
import type { RunFlags } from './run-flags.ts';
import { parsePackageNames } from './values.ts';

const collect = (value: string, before: string[] = []): string[] => [...before, value];

/** Flags that every machine made from scratch knows. */
function machineFlags(command: Command): Command {
  return command
    .option('--mem <size>', 'RAM of the machine; 256M unless given')
    .option('--harts <n>', 'number of harts, 1 to 8; 1 unless given')
    .option('--core <core>', 'jit, wasm or ts: speed differs, results never')
    .option('--isa <isa>', 'the instruction set, such as rv64gc; all extensions unless given')
    .option('--kernel <file>', "a Linux Image or ELF program instead of the guest's kernel; none: firmware alone")
    .option('--initrd <file>', "an initramfs instead of the guest's")
    .option('--append <words>', "words to add to the kernel's command line")
    .option('--firmware <file>', 'M-mode firmware such as OpenSBI fw_dynamic.bin; otherwise SBI is built in')
    .option(
      '--disk <file>',
      'a raw or qcow2 disk image, the http(s) address of a raw one, or debian or full for a built root disk (debian+git,fio: with these packages too); FILE,overlay=NAME keeps what is written to it, with ,write=back by way of a journal; may be repeated',
      collect,
    )
    .option(
      '--disk-cache <size[:policy]>',
      'memory for what is read of a disk on a server: 64M by s3fifo unless given; also lru, 2q, arc',
    )
    .option('--root <device>', 'work on this disk, such as /dev/vda; the built root disk is worked on by itself')
    .option('--balloon [size]', 'a memory balloon: memory the guest frees is dropped, and so much is taken from it')
    .option('--seed <n>', "seed of the harts' rotation and of the kernel's random numbers")
    .option('--chaos <seed>', 'vary the rotation of harts, to make races show');
}

/** Folders that answer for a live machine's shares. */
function shareFlags(command: Command, what: string): Command {
  return command.option('--share <dir[:name][:9p][:ro]>', what, collect);
}

/** What a live machine's network device is wired to. */
function netFlags(command: Command): Command {
  return command
    .option('--net <wire>', 'user: the network of this host; switch:NAME: one with other machines; none is the default')
    .option('--publish <port>', "with --net user: [ADDRESS:]PORT:PORT[/udp], the host's and the guest's", collect)
    .option(
      '--allow <place>',
      'with --net user: reach only this address, block, name or *.name; may be repeated',
      collect,
    )
    .option('--allow-host', 'with --net user: reach this host too, at 10.0.2.2 or host.hindsight');
}

/** Flags that say what is kept of a machine that runs. */
function recorderFlags(command: Command, what: string): Command {
  return command
    .option('--record <file>', what)
    .option('--embed', 'put kernel, initrd, firmware and disks into the recording: it replays anywhere')
    .option('--checkpoints', 'put checkpoints into the recording: it opens anywhere at once')
    .option('--past <size>', 'memory for going back while the machine runs (Ctrl-A [); 0 for none', '256M');
}

/** The whole command line. Commands are loaded when they are used. @param finish takes the exit status of the command that ran */
export function createProgram(version: string, finish: (status: number) => void): Command {
  const program = new Command('hindsight')
    .description(
      'A computer you can rewind: a 64-bit RISC-V machine that boots Debian, records what enters it, and goes back to any instruction.',
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .enablePositionalOptions();

  const quiet = (command: Command): Command => command.option('-q, --quiet', 'nothing on standard error but errors');
  const json = (command: Command, what: string): Command => command.option('--json', what);

  const run = recorderFlags(
    shareFlags(
      netFlags(
        quiet(
          json(
            machineFlags(program.command('run').description('Start the machine: a shell, or one command')),
            'end with one line of JSON: instructions, times, MIPS, hash',
          ),
        ),
      ),
      "a folder of this host's that the guest finds at /mnt/NAME; 9p: by 9P instead of virtiofs; ro: only to read; may be repeated",
    ),
    'keep a recording in this file',
  )
    .option(
      '--control <name>',
      'let hindsight cp reach the files of this machine while it runs, as NAME:/PATH, and hindsight probe --live NAME ask it',
    )
    .option(
      '--probe <script>',
      'run a script of hindsight probe, or @FILE with one, while the machine runs; its output goes to standard error',
    )
    .option('--exec <command>', "run this in the guest's shell, print its output only, and exit with its status")
    .option('--no-stdin', "give the guest's command no input")
    .option(
      '--clock <clock>',
      "host: idle time passes as on the wall; virtual: it is skipped. Shells run by host's, commands by virtual time",
    )
    .option('--timeout <time>', 'switch off after this time, such as 30s; exit status 124')
    .option(
      '--name <name>',
      'keep the machine between runs: Ctrl-A d leaves it, and the next run of the name goes on there',
    )
    .option('--from <snapshot>', 'go on from a snapshot: its name, or a file that ends in .hss')
    .option('--hostname <name>', "the guest's name")
    .option('--snapshot <name>', 'save the machine under this name, or in a file that ends in .hss, and end')
    .option('--snapshot-at <text>', 'with --snapshot: once the console has shown this text')
    .option('--cold', "boot, instead of starting from the guest's own snapshot")
    .option(
      '--stats',
      'end with what the translator did (its share of instructions, regions, compile time, ways out; in --json, too), and caches of disks on servers',
    )
    .option('--dump-regions <file>', 'write guest code and the WebAssembly it became here, region by region');
  run.action(async (flags: RunFlags) =>
    finish(
      flags.from === undefined
        ? await (await import('./commands/run.ts')).run(flags)
        : await (await import('./commands/run-from.ts')).runFrom(flags.from, flags),
    ),
  );

  const opens = (command: Command): Command =>
    command
      .option('--image <dir>', 'look here too for the files the machine was made from; may be repeated', collect)
      .option('--core <core>', 'jit, wasm or ts: speed differs, results never');
  quiet(
    json(
      opens(
        program
          .command('replay')
          .description('Show a recorded session again, exactly; several of one --net switch in the order they ran in')
          .argument('<recording...>', 'files that run --record kept'),
      ),
      'no console output; end with one line of JSON',
    ),
  )
    .option('--verify', 'compare the state with the hashes in the recording; exit status 3 where it differs')
    .option('--until <instant>', 'stop here: instructions, 50%, guest time such as 2.5s, or event:7')
    .option('--speed <speed>', 'max, real (as fast as guest time went, idle time skipped), or a factor of it such as 4')
    .action(async (files: string[], flags: ReplayFlags) =>
      finish(
        files.length > 1
          ? await (await import('./commands/replay-together.ts')).replayTogether(files, flags)
          : await (await import('./commands/replay.ts')).replay(files[0], flags),
      ),
    );
  quiet(
    opens(
      program
        .command('export')
        .description('Write what a recording holds for other programs')
        .argument('<recording>', 'a file that run --record kept'),
    ),
  )
    .option('--perfetto <file>', 'processes, system calls, scheduling … as a trace for ui.perfetto.dev')
    .option('--pcapng <file>', 'the frames of its network devices, for tcpdump and Wireshark; - for standard output')
    .option('--from <instant>', 'begin here: instructions, 50%, guest time such as 2.5s, or event:7')
    .option('--until <instant>', 'stop here')
    .action(async (file: string, flags: ExportFlags) =>
      finish(await (await import('./commands/export.ts')).exportRecording(file, flags)),
    );
  json(
    opens(
      program
        .command('strace')
        .description("Print a recording's system calls, as strace would have")
        .argument('<recording>', 'a file that run --record kept'),
    ),
    'a line of JSON for each call',
  )
    .option('-p, --pid <pid>', 'only this process; may be repeated', collect)
    .option('--trace <names>', 'only these calls, such as openat,read')
    .option('--string-size <bytes>', 'bytes of texts and buffers that are shown; 32 if not said')
    .option('--instants', 'begin each line with the instant of the call, to go to')
    .option('--from <instant>', 'begin here: instructions, 50%, guest time such as 2.5s, or event:7')
    .action(async (file: string, flags: StraceFlags) =>
      finish(await (await import('./commands/strace.ts')).strace(file, flags)),
    );
  quiet(
    json(
      opens(
        program
          .command('probe')
          .description('Run a script over a recording or a running machine: count, measure and print what it did')
          .argument('<recording>', 'a file that run --record kept; with --live, the name of a machine that runs')
          .argument('[script]', "a file with the script, unless -e gives it; then the script's parameters $1, $2 …")
          .argument('[parameters...]'),
      ),
      'a line of JSON for each thing that is printed',
    ),
  )
    .option('-e <script>', "the script itself, such as 'kprobe:vfs_read { @[comm] = count(); }'")
    .option('--from <instant>', 'begin here: instructions, 50%, guest time such as 2.5s, or event:7')
    .option('--live', 'on a machine that runs with --control NAME, until Ctrl-C')
    .option('--map-limit <entries>', 'most entries of a map; 100000 if not said')
    .action(async (file: string, script: string | undefined, parameters: string[], flags: ProbeFlags) =>
      finish(
        await (await import('./commands/probe.ts')).probe(
          file,
          script === undefined ? parameters : [script, ...parameters],
          flags,
        ),
      ),
    );
  addQuestions(program, { opens, json, finish });
  json(
    program
      .command('info')
      .description('Tell what a recording holds')
      .argument('<recording>', 'a file that run --record kept'),
    'as JSON; with --events a line an event',
  )
    .option('--events', 'every input with its instant')
    .action(async (file: string, flags: InfoFlags) =>
      finish(await (await import('./commands/info.ts')).info(file, flags)),
    );
  recorderFlags(
    shareFlags(
      netFlags(
        quiet(
          opens(
            program
              .command('branch')
              .description('Go on live from a past instant; the recording stays as it is')
              .argument('<recording>', 'a file that run --record kept'),
          ),
        ),
      ),
      'a folder that answers for the share of that name from here on; may be repeated',
    ),
    'keep a recording of the branch in this file',
  )
    .requiredOption('--at <instant>', 'where: instructions, 50%, guest time such as 2.5s, or event:7')
    .option('--timeout <time>', 'switch off after this time, such as 30s; exit status 124')
    .action(async (file: string, flags: BranchFlags) =>
      finish(await (await import('./commands/branch.ts')).branch(file, flags)),
    );
  recorderFlags(
    quiet(
      machineFlags(
        program
          .command('debug')
          .description('Open a recording, or a live machine, in gdb or a DAP client, forwards and backwards')
          .argument('[recording]', 'a file that run --record kept'),
      ),
    ),
    'keep a recording in this file: of the branch made while debugging, or of the live machine',
  )
    .option('--image <dir>', 'look here too for the files the machine was made from; may be repeated', collect)
    .option('--live', 'no recording: boot a machine, which runs while no debugger holds it')
    .option('--wait', 'with --live: do not start before a debugger says so')
    .option('--exec <command>', "with --live: run this in the guest's shell")
    .option('--gdb <listen>', 'listen for gdb at [HOST:]PORT; loopback unless a host is named')
    .option('--dap [listen]', 'speak the Debug Adapter Protocol on standard input and output, or at [HOST:]PORT')
    .option(
      '--symbols <file>',
      'read symbols of this ELF file, or debug information of any program from this folder (.build-id/xx/yyy.debug); may be repeated',
      collect,
    )
    .option('--process <which>', 'gdb debugs only this process of the guest, by number or name')
    .option(
      '--print-gdbinit',
      'print a script for gdb (seek, crash, branch) and end: gdb -x <(hindsight debug --print-gdbinit)',
    )
    .option('--auto-branch', "a debugger's writes to the past start a branch; otherwise they are refused")
    .action(async (file: string | undefined, flags: DebugFlags) =>
      finish(await (await import('./commands/debug.ts')).debug(file, flags)),
    );

  quiet(
    opens(
      program
        .command('symbols')
        .description("Write the guest's kernel as an ELF file for gdb: symbols, types, functions' prototypes, modules")
        .argument('<recording>', 'a file that run --record kept: as it is at its end, or RECORDING@INSTANT'),
    ),
  )
    .option('--kernel', "the kernel's, from its own kallsyms and BTF")
    .option('-o, --output <file>', 'where to write them, such as vmlinux.elf')
    .action(async (place: string, flags: SymbolsFlags) =>
      finish(await (await import('./commands/symbols.ts')).symbols(place, flags)),
    );

  quiet(
    opens(
      program
        .command('cp')
        .description('Copy files out of a recorded machine as they were at an instant, or to and from one that runs')
        .argument(
          '<source>',
          'RECORDING@INSTANT:/PATH, or with the disk before the path: RECORDING@50%:vda:/PATH; NAME:/PATH of a machine that runs with --control NAME; or a file here',
        )
        .argument('<destination>', 'a file or folder here, - for standard output, or NAME:/PATH'),
    ),
  ).action(async (from: string, to: string, flags: CpFlags) =>
    finish(await (await import('./commands/cp.ts')).cp(from, to, flags)),
  );

  json(
    opens(
      program
        .command('cache')
        .description(
          "Say what caches of other policies and sizes would have done with a recorded machine's disk traffic",
        )
        .argument('<recording>', 'a file that run --record kept'),
    ),
    'as JSON',
  )
    .option('--policy <names>', 'of lru, 2q, arc, s3fifo, with commas between; all unless given')
    .option('--size <sizes>', 'sizes to try, such as 1M,16M; parts of all that is used unless given')
    .option('--miss <time>', 'what a read takes that misses', '10ms')
    .action(async (file: string, flags: CacheFlags) =>
      finish(await (await import('./commands/cache.ts')).cache(file, flags)),
    );

  const marks = program
    .command('marks')
    .description('Name instants of a recording, to go to; they are kept in it')
    .helpCommand(false);
  json(
    marks
      .command('list', { isDefault: true })
      .description('List them, with their numbers')
      .argument('<recording>', 'a file that run --record kept'),
    'as JSON',
  ).action(async (file: string, flags: MarksFlags) =>
    finish(await (await import('./commands/marks.ts')).marksList(file, flags)),
  );
  json(
    opens(
      marks
        .command('add')
        .description('Name an instant; one that has a name gets this one')
        .argument('<recording@instant>', 'such as boot.hsr@50%, boot.hsr@2.5s, boot.hsr@1234567')
        .argument('<note>', 'the name'),
    ),
    'the marks as JSON',
  ).action(async (place: string, note: string, flags: MarksFlags) =>
    finish(await (await import('./commands/marks.ts')).marksAdd(place, note, flags)),
  );
  json(
    marks
      .command('rm')
      .description('Remove marks by their numbers')
      .argument('<recording>', 'a file that run --record kept')
      .argument('<number...>', 'as marks lists them'),
    'those that are left as JSON',
  ).action(async (file: string, numbers: string[], flags: MarksFlags) =>
    finish(await (await import('./commands/marks.ts')).marksRemove(file, numbers, flags)),
  );

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

  quiet(program.command('web').description('Serve a page that runs the machine in the browser, and shows recordings'))
    .argument('[recordings...]', 'recordings to open there')
    .option('--port <port>', '[HOST:]PORT to listen on', ':8080')
    .option('--site <dir>', 'write the page as a folder for any web server instead of serving it')
    .option('--image <dir>', 'where files of the recordings are looked for; repeatable', collect)
    .option('--no-guest', 'only the recordings: no machine that the page starts')
    .action(async (recordings: string[], flags: WebFlags) =>
      finish(await (await import('./commands/web.ts')).web(recordings, flags)),
    );

  program
    .command('relay')
    .description('Let machines in pages reach a network through this computer (the Wisp protocol)')
    .option('--port <port>', '[HOST:]PORT to listen on', ':8081')
    .option(
      '--allow <pattern>',
      'only there: address, block, name or *.name, perhaps with :PORT; may be repeated',
      collect,
    )
    .option('--allow-host', "this computer's own loopback and addresses too")
    .option(
      '--origin <origin>',
      'pages of that origin too, such as https://example.org; * for all; may be repeated',
      collect,
    )
    .action(async (flags: RelayFlags) => finish(await (await import('./commands/relay.ts')).relay(flags)));

  json(program.command('doctor').description('Say whether everything the machine needs is here'), 'as JSON').action(
    async (flags: { json?: boolean }) => finish(await (await import('./commands/doctor.ts')).doctor(flags)),
  );

  program
    .command('bench')
    .description('Measure, beside QEMU where it is installed')
    .allowUnknownOption()
    .argument('[args...]')
    .action(async (args: string[]) => finish(await (await import('./commands/bench.ts')).bench(args)));

  program
    .command('help')
    .description('Show help for a command')
    .argument('[command...]', 'such as run, or guest build')
    .action((names: string[]) => {
      let shown = program;
      for (const [i, name] of names.entries()) {
        const below = shown.commands.find((command) => command.name() === name);
        if (below === undefined) {
          const known = shown.commands.map((command) => command.name());
          const expected = known.length > 0 ? `expected one of ${known.join(', ')}` : 'it has no commands below it';
          throw new UsageError(
            `help: ${name} is no command of ${['hindsight', ...names.slice(0, i)].join(' ')}: ${expected}`,
          );
        }
        shown = below;
      }
      shown.help();
    });

  groupCommands(program);
  for (const command of [
    program,
    ...program.commands,
    ...guest.commands,
    ...snapshot.commands,
    ...marks.commands,
    ...disk.commands,
  ]) {
    command.exitOverride().configureOutput({ outputError: () => {} });
  }
  return program;
}

/** What commander refused, as the one line we show; undefined when it only printed help or the version. */
export function usageError(error: CommanderError): UsageError | undefined {
  if (error.exitCode === EXIT.OK || error.code === 'commander.help') return undefined;
  const line = error.message
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .trim();
  return new UsageError(`${line}; see hindsight --help`);
}
