import { type ListedMachine, listMachines, removeMachine } from '../../host/node/machines.ts';
import { EXIT } from '../exit.ts';
import { formatBytes } from '../values.ts';

const out = (line: string): void => void process.stdout.write(`${line}\n`);

/** `hindsight list`. */
export async function machineList(flags: { readonly json?: boolean }): Promise<number> {
  const machines = await listMachines();
  if (flags.json) {
    out(
      JSON.stringify(
        machines.map(({ suspended, ...rest }) => ({
          ...rest,
          ...(suspended && { suspended: { ...suspended, at: new Date(suspended.at).toISOString() } }),
        })),
      ),
    );
    return EXIT.OK;
  }
  if (machines.length === 0)
    process.stderr.write('hindsight: no machine has a name; hindsight run --name NAME makes one\n');
  else out(row('NAME', 'STATE', 'SINCE', 'GUEST TIME', 'SIZE', 'MADE WITH'));
  for (const { name, state, suspended, bytes, flags: made } of machines) {
    const since = suspended === undefined ? '' : new Date(suspended.at).toISOString().slice(0, 16).replace('T', ' ');
    const time = suspended === undefined ? '' : `${suspended.guestTime.toFixed(1)} s`;
    out(row(name, state, since, time, formatBytes(bytes), described(made)));
  }
  return EXIT.OK;
}

const row = (name: string, state: string, since: string, time: string, size: string, made: string): string =>
  `${name.padEnd(20)} ${state.padEnd(10)} ${since.padEnd(16)} ${time.padStart(12)} ${size.padStart(10)}  ${made}`;

const described = (flags: ListedMachine['flags']): string =>
  Object.entries(flags)
    .map(([name, value]) => `--${name} ${Array.isArray(value) ? value.join(' ') : String(value)}`)
    .join(' ');

/** `hindsight rm`. */
export async function machineRemove(names: readonly string[]): Promise<number> {
  for (const name of names) await removeMachine(name);
  return EXIT.OK;
}
