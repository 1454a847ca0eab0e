import type { Command } from 'commander';
import type { RelayFlags } from './commands/relay.ts';
import type { WebFlags } from './commands/web.ts';
import { collect, json, quiet } from './common-flags.ts';

/** The commands that serve pages, and those about Hindsight itself. @param finish takes the exit status */
export function addHostCommands(program: Command, finish: (status: number) => void): void {
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
}
