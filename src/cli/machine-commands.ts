import type { Command } from 'commander';
import type { BranchFlags } from './commands/branch.ts';
import { json, machineFlags, netFlags, opens, quiet, recorderFlags, shareFlags } from './common-flags.ts';
import type { RunFlags } from './run-flags.ts';

/** The commands that run a machine: from its beginning, and from an instant of the past. @param finish takes the exit status */
export function addMachineCommands(program: Command, finish: (status: number) => void): void {
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
}
