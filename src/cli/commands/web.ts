import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { serveFiles } from '../../host/node/static-server.ts';
import { EXIT, UsageError } from '../exit.ts';
import { MANIFEST, PageSite } from '../site.ts';
import { parseListen } from '../values.ts';

/** Flags of `hindsight web`. */
export interface WebFlags {
  readonly port: string;
  readonly image?: readonly string[];
  readonly site?: string;
  /** False by `--no-guest`. */
  readonly guest: boolean;
  readonly quiet?: boolean;
}

/** Contents that are packed on a static site, if that makes them smaller by a tenth: a kernel is, a snapshot is not. */
const WORTH = 0.9;

/** `hindsight web [RECORDING...]`: serves the page until interrupted, or writes it as a folder. */
export async function web(recordings: readonly string[], flags: WebFlags): Promise<number> {
  const { host, port } = parseListen('--port', flags.port);
  if (!flags.guest && recordings.length === 0)
    throw new UsageError('--no-guest leaves nothing to show: name a recording');
  const site = new PageSite();
  if (flags.guest) await site.addGuest(flags.quiet ?? false);
  const addresses: string[] = [];
  for (const file of recordings) addresses.push(await site.addRecording(file, flags.image ?? []));
  if (flags.site !== undefined) return writeSite(site, flags.site, addresses);
  const routes = new Map([...site.files, [MANIFEST, site.manifest] as const].map(([name, what]) => [`/${name}`, what]));
  routes.set('/', routes.get('/index.html')!);
  const served = await serveFiles(routes, host, port);
  const shown = host.includes(':') ? `[${host}]` : host;
  const base = `http://${shown}:${served.port}/`;
  process.stdout.write(addressLines(base, addresses));
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  served.server.close();
  served.server.closeAllConnections();
  return EXIT.OK;
}

/** One line for each recording, or one for the page. */
function addressLines(base: string, addresses: readonly string[]): string {
  if (addresses.length === 0) return `${base}\n`;
  return addresses.map((address) => `${base}#rec=${encodeURI(address)}\n`).join('');
}

/** Writes the page with all that belongs to it into a folder, for any web server. @throws UsageError when something else is there */
async function writeSite(site: PageSite, folder: string, addresses: readonly string[]): Promise<number> {
  const known = existsSync(folder) ? await readdir(folder) : [];
  if (known.length > 0 && !known.includes('worker.js'))
    throw new UsageError(`--site ${folder}: the folder is not empty and holds no page; name an empty or a new one`);
  for (const [address, what] of site.files) {
    const path = join(folder, address);
    await mkdir(dirname(path), { recursive: true });
    if (typeof what === 'string') {
      await copyFile(what, path);
      continue;
    }
    const packed = await promisify(gzip)(what);
    const worth = packed.length < what.length * WORTH;
    if (worth) site.packed(address, packed.length);
    await writeFile(path, worth ? packed : what);
  }
  await mkdir(dirname(join(folder, MANIFEST)), { recursive: true });
  await writeFile(join(folder, MANIFEST), site.manifest);
  process.stdout.write(addressLines('', addresses).replace(/^\n$/, `${join(folder, 'index.html')}\n`));
  return EXIT.OK;
}
