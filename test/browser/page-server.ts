/** A page of a test with the package's worker beside it, served on loopback. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';

/** Port that a server listens on. */
export const portOf = (server: { address(): string | AddressInfo | null }): number =>
  (server.address() as AddressInfo).port;

/**
 * Serves a page that runs a script of this folder, with the worker's script and a guest's kernel and initrd.
 * @param script name of its file @param others contents by address, readable for any origin where `open` names them @param workers names of
 * further scripts, for workers
 */
export async function servePage(
  script: string,
  guest: { readonly kernel: string; readonly initrd: string },
  {
    others = {},
    open = [],
    workers = [],
  }: {
    readonly others?: Readonly<Record<string, string>>;
    readonly open?: readonly string[];
    readonly workers?: readonly string[];
  } = {},
): Promise<Server> {
  const source = (path: string): string => new URL(path, import.meta.url).pathname;
  const { outputFiles } = await build({
    entryPoints: {
      page: source(script),
      worker: source('../../src/host/browser/worker.ts'),
      ...Object.fromEntries(workers.map((name) => [name, source(`${name}.ts`)])),
    },
    ...{ bundle: true, write: false, outdir: '/', platform: 'browser', format: 'esm', target: 'es2022' },
    logLevel: 'error',
  });
  const files: Readonly<Record<string, string | Uint8Array>> = {
    '/': '<!doctype html><link rel="icon" href="data:,"><script type="module" src="page.js"></script>',
    '/kernel': readFileSync(guest.kernel),
    '/initrd': readFileSync(guest.initrd),
    ...others,
    ...Object.fromEntries(outputFiles.map(({ path, contents }) => [path, contents])),
  };
  const server = createServer(({ url = '' }, response) => {
    const type = url.endsWith('.js') ? 'text/javascript' : url === '/' ? 'text/html' : 'application/octet-stream';
    const shared = open.includes(url) ? { 'access-control-allow-origin': '*' } : {};
    response.writeHead(url in files ? 200 : 404, { 'content-type': type, ...shared }).end(files[url]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
