import type { Command } from 'commander';
import type { DiffFlags } from './commands/diff.ts';
import type { HistoryFlags } from './commands/history.ts';
import type { OriginFlags } from './commands/origin.ts';
import type { ProfileFlags } from './commands/profile.ts';
import type { QueryFlags } from './commands/query.ts';
import type { TopFlags } from './commands/top.ts';
import type { WhenFlags } from './commands/when.ts';
import type { WhyFlags } from './commands/why.ts';
import { json, opens } from './common-flags.ts';
import type { RecordingFlags } from './recordings.ts';

/** The commands that ask a recording's past. @param finish takes the exit status */
export function addQuestions(program: Command, finish: (status: number) => void): void {
  for (const [name, kind, verb] of [
    ['who-wrote', 'write', 'wrote'],
    ['who-reads', 'read', 'read'],
  ] as const) {
    const register = kind === 'write';
    json(
      opens(
        program
          .command(name)
          .description(`Find who last ${verb} a place in memory${register ? ', or set a register' : ''}`)
          .argument('<recording>', 'a file that run --record kept: at its end, or RECORDING@INSTANT')
          .argument('<what>', `an address, a symbol${register ? ', a register' : ''}; with :LENGTH, else 8 bytes`),
      ),
      'a line of JSON for each answer',
    )
      .option('-p, --pid <pid>', 'the address is as this process sees it')
      .option('--hart <n>', 'the address or register is of this hart; 0 if not said')
      .option('--physical', 'the address is physical')
      .option('--count <n>', 'go on to the ones before; 1 if not said')
      .action(async (place: string, what: string, flags: OriginFlags) =>
        finish(await (await import('./commands/origin.ts')).origin(kind, place, what, flags)),
      );
  }
  json(
    opens(
      program
        .command('why')
        .description('Find where a value came from: the stores, loads and inputs behind it, to constants and inputs')
        .argument('<recording>', 'a file that run --record kept: at its end, or RECORDING@INSTANT')
        .argument('<what>', 'an address, a symbol, a register; with :LENGTH, else 8 bytes'),
    ),
    'a line of JSON for each step',
  )
    .option('-p, --pid <pid>', 'the address is as this process sees it')
    .option('--hart <n>', 'the address or register is of this hart; 0 if not said')
    .option('--physical', 'the address is physical')
    .option('--steps <n>', 'stop after so many steps; 64 if not said')
    .option('--all', 'show every copy on the way')
    .action(async (place: string, what: string, flags: WhyFlags) =>
      finish(await (await import('./commands/why.ts')).why(place, what, flags)),
    );

  json(
    opens(
      program
        .command('when')
        .description('Find the instants at which the value of an expression changed')
        .argument('<recording>', 'a file that run --record kept: from its beginning, or RECORDING@INSTANT')
        .argument('<expression>', "over symbols, memory and registers, such as 'u32[jiffies_64] > 5000'"),
    ),
    'a line of JSON for each change',
  )
    .option('-p, --pid <pid>', "user-space addresses are this process's, registers are looked at while it runs")
    .option('--hart <n>', 'registers are of this hart')
    .option('--at <place>', 'look only before this instruction: an address or a symbol')
    .option('--until <instant>', 'stop here')
    .option('--count <n>', 'stop after so many changes')
    .action(async (place: string, text: string, flags: WhenFlags) =>
      finish(await (await import('./commands/when.ts')).when(place, text, flags)),
    );

  json(
    opens(
      program
        .command('history')
        .description('Print a table of what happened: processes, syscalls, files, sockets, faults, scheduling …')
        .argument('<recording>', 'a file that run --record kept')
        .argument('[table]', 'which; without it, all tables with their columns'),
    ),
    'a line of JSON for each row',
  )
    .option('--csv', 'comma-separated values with a head')
    .option('-p, --pid <pid>', 'only rows of this process')
    .option('--from <instant>', 'begin here: instructions, 50%, guest time such as 2.5s, or event:7')
    .option('--until <instant>', 'stop here; what has not ended there has no end')
    .action(async (file: string, table: string | undefined, flags: HistoryFlags) =>
      finish(await (await import('./commands/history.ts')).history(file, table, flags)),
    );

  json(
    opens(
      program
        .command('query')
        .description('Ask the histories of a recording in SQL; what the query bounds is what is replayed')
        .argument('<recording>', 'a file that run --record kept')
        .argument('<sql>', `such as "select comm, count(*) from syscalls where name = 'openat' group by 1"`),
    ),
    'a line of JSON for each row',
  )
    .option('--csv', 'comma-separated values with a head')
    .action(async (file: string, sql: string, flags: QueryFlags) =>
      finish(await (await import('./commands/query.ts')).query(file, sql, flags)),
    );

  json(
    opens(
      program
        .command('diff')
        .description('Find where two recordings part, or what two instants differ in; exit status 1 where they do')
        .argument('<a>', 'a file that run --record kept, or RECORDING@INSTANT')
        .argument('<b>', 'another, or another instant'),
    ),
    'as JSON',
  ).action(async (a: string, b: string, flags: DiffFlags) =>
    finish(await (await import('./commands/diff.ts')).diff(a, b, flags)),
  );

  for (const [name, how] of [
    ['serve', 'by JSON-RPC, a message a line'],
    ['mcp', 'for agents, by the Model Context Protocol'],
  ] as const)
    opens(
      program
        .command(name)
        .description(`Answer questions about recordings on standard input and output, ${how}`)
        .argument('[recording]', 'opened at once; otherwise the client opens one'),
    ).action(async (file: string | undefined, flags: RecordingFlags) =>
      finish(await (await import('./commands/serve.ts'))[name](file, flags)),
    );

  opens(
    program
      .command('profile')
      .description(
        'Say in which functions the instructions of a recording were executed, as folded stacks or for speedscope',
      )
      .argument('<recording>', 'a file that run --record kept'),
  )
    .option('--speedscope <file>', 'write a file for www.speedscope.app instead')
    .option('--pprof <file>', 'write a file for pprof instead')
    .option('-p, --pid <pid>', 'only this process')
    .option('--every <instructions>', 'look at the stack every so many instructions; 100003 if not said')
    .option('--from <instant>', 'begin here: instructions, 50%, guest time such as 2.5s, or event:7')
    .option('--until <instant>', 'stop here')
    .option('-q, --quiet', 'nothing on standard error but errors')
    .action(async (file: string, flags: ProfileFlags) =>
      finish(await (await import('./commands/profile.ts')).profile(file, flags)),
    );

  json(
    opens(
      program
        .command('top')
        .description("Show what processes did in the time before an instant: harts' use, state, memory")
        .argument('<recording>', 'a file that run --record kept: at its end, or RECORDING@INSTANT'),
    ),
    'a line of JSON for each process',
  )
    .option('--csv', 'comma-separated values with a head')
    .option('--window <time>', 'guest time to look back over; 1s if not said')
    .option('--count <n>', 'so many of the busiest')
    .action(async (place: string, flags: TopFlags) =>
      finish(await (await import('./commands/top.ts')).top(place, flags)),
    );
}
