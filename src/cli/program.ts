import { Command, type CommanderError } from 'commander';
import { addDebugCommands } from './debug-commands.ts';
import { EXIT, UsageError } from './exit.ts';
import { groupCommands } from './help-groups.ts';
import { addHostCommands } from './host-commands.ts';
import { addMachineCommands } from './machine-commands.ts';
import { addRecordingCommands } from './recording-commands.ts';
import { addStoreCommands } from './store-commands.ts';

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

  for (const add of [addMachineCommands, addRecordingCommands, addDebugCommands, addStoreCommands, addHostCommands])
    add(program, finish);
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
  for (const command of [program, ...program.commands.flatMap((one) => [one, ...one.commands])]) {
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
