import type { Command } from 'commander';
import type { CacheFlags } from './commands/cache.ts';
import type { CpFlags } from './commands/cp.ts';
import type { ExportFlags } from './commands/export.ts';
import type { InfoFlags } from './commands/info.ts';
import type { MarksFlags } from './commands/marks.ts';
import type { ProbeFlags } from './commands/probe.ts';
import type { ReplayFlags } from './commands/replay.ts';
import type { StraceFlags } from './commands/strace.ts';
import { collect, json, opens, quiet } from './common-flags.ts';
import { addQuestions } from './question-commands.ts';

/** The commands that read or change a recording. @param finish takes the exit status */
export function addRecordingCommands(program: Command, finish: (status: number) => void): void {
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
  addQuestions(program, finish);
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
}
