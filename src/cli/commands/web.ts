import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { serveFiles } from '../../host/node/static-server.ts';
import { CliError, EXIT } from '../exit.ts';
import { provideGuest } from '../guest-build.ts';
import { parseListen } from '../values.ts';

/** Flags of `hindsight web`. */
export interface WebFlags {
  readonly port: string;
  readonly quiet?: boolean;
}

const PAGE_FILES = ['index.html', 'page.js', 'worker.js', 'xterm.css'];

/** `hindsight web`: serves the page, and the guest it boots, until interrupted. */
export async function web(flags: WebFlags): Promise<number> {
  const { host, port } = parseListen('--port', flags.port);
  const folder = fileURLToPath(new URL('web/', import.meta.url));
  if (!existsSync(`${folder}index.html`))
    throw new CliError(`${folder}: the page is not there; build it with npm run build`);
  const guest = await provideGuest(flags.quiet ?? false);
  const routes = new Map(PAGE_FILES.map((name) => [`/${name}`, `${folder}${name}`]));
  routes.set('/', `${folder}index.html`).set('/guest/kernel', guest.kernel).set('/guest/initrd', guest.initrd);
  const served = await serveFiles(routes, host, port);
  const shown = host.includes(':') ? `[${host}]` : host;
  process.stdout.write(`http://${shown}:${served.port}/\n`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  served.server.close();
  served.server.closeAllConnections();
  return EXIT.OK;
}
