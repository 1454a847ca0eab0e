/** How `hindsight debug` is started for a launch configuration. */

/** What a launch configuration may hold. */
export interface LaunchConfiguration {
  readonly [name: string]: unknown;
  readonly program?: unknown;
  readonly symbols?: unknown;
  readonly autoBranch?: unknown;
  readonly command?: unknown;
}

const isTexts = (v: unknown): v is readonly string[] => Array.isArray(v) && v.every((t) => typeof t === 'string');

/** The command and its arguments. @throws Error saying what is missing in the configuration */
export function adapterCommand({ program, symbols, autoBranch, command }: LaunchConfiguration): readonly string[] {
  if (typeof program !== 'string' || program === '')
    throw new Error('"program" is missing in the launch configuration: name the recording (NAME.hsr)');
  if (symbols !== undefined && !isTexts(symbols)) throw new Error('"symbols": a list of files was expected');
  if (command !== undefined && (!isTexts(command) || command.length === 0))
    throw new Error('"command": a list of texts was expected, such as ["npx", "hindsight"]');
  return [
    ...(command ?? ['hindsight']),
    ...['debug', program, '--dap', '--quiet'],
    ...(symbols ?? []).flatMap((file) => ['--symbols', file]),
    ...(autoBranch === true ? ['--auto-branch'] : []),
  ];
}
