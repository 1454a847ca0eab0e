import { serveRelay } from '../../host/node/net/relay.ts';
import { CliError, EXIT } from '../exit.ts';
import { parseListen } from '../values.ts';

/** Flags of `hindsight relay`. */
export interface RelayFlags {
  readonly port: string;
  readonly allow?: readonly string[];
  readonly allowHost?: boolean;
  readonly origin?: readonly string[];
}

/** `hindsight relay`: lets machines in pages reach a network through this computer, until interrupted. */
export async function relay({ port: typed, allow, allowHost, origin }: RelayFlags): Promise<number> {
  const { host, port } = parseListen('--port', typed);
  const served = await serveRelay({
    host,
    port,
    ...(allow && { allow }),
    ...(allowHost !== undefined && { allowHost }),
    ...(origin && { origins: origin.map((one) => one.replace(/\/$/, '')) }),
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE')
      throw new CliError(`--port ${typed}: port ${port} is taken; choose another, or 0 for any that is free`);
    throw error;
  });
  process.stdout.write(`ws://${host.includes(':') ? `[${host}]` : host}:${served.port}/\n`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  served.close();
  return EXIT.OK;
}
