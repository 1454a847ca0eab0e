import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SESSION_PORT } from '../guest/init-script.ts';
import { provideStart } from '../host/node/guest/index.ts';
import type { HardwareOptions, NamedBytes } from '../machine/session/options.ts';
import type { ManifestFile, SiteGuest } from '../web/guest/manifest.ts';
import { CliError } from './exit.ts';
import { checkMachineFlags, openWaitingHardware } from './machine-flags.ts';

/** Memory of the machine in the page. */
const MEMORY = '256M';

/** The page's own files: addresses relative to it, and where they lie. @throws CliError when it was not built */
export function pageFiles(): Map<string, string | Uint8Array> {
  const folder = fileURLToPath(new URL('web/', import.meta.url));
  if (!existsSync(`${folder}index.html`))
    throw new CliError(`${folder}: the page is not there; build it with npm run build`);
  return new Map(
    readdirSync(folder)
      .filter((name) => !name.endsWith('.map'))
      .map((name) => [name, `${folder}${name}`]),
  );
}

/** The guest that the page starts, made where it is not there: its files by their addresses, and `guest/guest.json`, which names them. */
export async function guestFiles(quiet: boolean): Promise<Map<string, string | Uint8Array>> {
  const flags = { mem: MEMORY, harts: '1', quiet };
  const { hardware } = await openWaitingHardware(flags, checkMachineFlags(flags), {});
  const machine: HardwareOptions = { ...hardware, virtioConsole: { ports: [SESSION_PORT] } };
  const making = (): void => {
    if (!quiet) process.stderr.write('hindsight: booting the guest once, so that the page starts from its snapshot\n');
  };
  const { name, snapshot } = await provideStart(machine, { making, session: { size: 'hvc0', term: 'xterm-256color' } });
  const site = new Map<string, string | Uint8Array>();
  const add = (role: string, { bytes: contents, hash }: NamedBytes): ManifestFile => {
    if (hash === undefined)
      throw new CliError(`the guest's ${role} has no known hash; make the guest again with hindsight guest build`);
    site.set(`guest/${role}`, contents);
    return { file: role, path: role, size: contents.length, hash };
  };
  const whole = (role: string, hash: string, index: number): ManifestFile => {
    const { source } = snapshot.files[index];
    return add(role, { file: role, bytes: source.read(0, source.size), hash });
  };
  const manifest: SiteGuest = {
    version: 1,
    memory: machine.memory as number,
    append: machine.append!,
    kernel: add('kernel', machine.kernel!),
    initrd: add('initrd', machine.initrd!),
    start: whole('start.hss', name.hash, 0),
    bases: snapshot.files[0].bases.map((hash, i) => whole(`base-${i}.hss`, hash, i + 1)),
  };
  site.set('guest/guest.json', new TextEncoder().encode(JSON.stringify(manifest)));
  return site;
}
