import { serveFiles } from '../../host/node/static-server.ts';
import { EXIT } from '../exit.ts';
import { guestFiles, pageFiles } from '../site.ts';
import { parseListen } from '../values.ts';

/** Flags of `hindsight web`. */
export interface WebFlags {
  readonly port: string;
  readonly quiet?: boolean;
}

/** `hindsight web`: serves the page, and the guest it starts, until interrupted. */
export async function web(flags: WebFlags): Promise<number> {
  const { host, port } = parseListen('--port', flags.port);
  const site = new Map([...pageFiles(), ...(await guestFiles(flags.quiet ?? false))]);
  const routes = new Map([...site].map(([name, what]) => [`/${name}`, what]));
  routes.set('/', routes.get('/index.html')!);
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
