import type { Command } from 'commander';

/** The headings of `hindsight --help`, each with its commands in their order. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  'Run a machine:': ['run', 'branch', 'list', 'rm', 'snapshot', 'guest', 'disk', 'cp'],
  'See and share its past:': ['replay', 'info', 'marks', 'web', 'relay', 'export'],
  'Ask its past:': ['history', 'strace', 'probe', 'query', 'when', 'who-wrote', 'who-reads', 'why', 'diff'],
  'Measure its past:': ['profile', 'top', 'cache'],
  'Debug it:': ['debug', 'symbols', 'serve', 'mcp'],
  'Hindsight itself:': ['doctor', 'bench', 'help'],
};

/** Puts the commands of the program under headings; one that the table does not name stays under "Commands:". */
export function groupCommands(program: Command): void {
  const places = new Map(
    Object.entries(GROUPS).flatMap(([heading, names]) => names.map((name) => [name, heading] as const)),
  );
  const order = [...places.keys()];
  for (const command of program.commands) {
    const heading = places.get(command.name());
    if (heading !== undefined) command.helpGroup(heading);
  }
  program.configureHelp({
    visibleCommands: () => [...program.commands].sort((a, b) => order.indexOf(a.name()) - order.indexOf(b.name())),
  });
}
