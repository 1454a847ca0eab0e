// What folder.test.ts runs in a worker of a page: steps on a folder of the origin private file system and on the model, compared.

import { FuseServer } from '../../src/fs/fuse/server.ts';
import { MemoryFs } from '../../src/fs/memory-fs.ts';
import { FolderFs } from '../../src/host/browser/folder/folder-fs.ts';
import { FuseClient } from '../fs/fuse-client.ts';
import { type Step, Walker } from '../fs/model.ts';

/** What the client of the tests uses of Node's. */
const concat = (parts: readonly Uint8Array[]): Uint8Array => {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};
const from = (bytes: Uint8Array): { toString(): string } => ({
  toString: () => new TextDecoder('latin1').decode(bytes),
});
Object.assign(globalThis, { Buffer: { concat, from } });

/** @returns where the two differ, as text */
async function compare(runs: readonly (readonly Step[])[]): Promise<string[]> {
  const root = await navigator.storage.getDirectory();
  const differences: string[] = [];
  const shown = (value: unknown): string =>
    JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? Number(part) : part))?.slice(0, 300);
  for (const [number, steps] of runs.entries()) {
    const name = `run${number}`;
    const real = new FuseServer(new FolderFs(await root.getDirectoryHandle(name, { create: true })), { session: 1 });
    const a = new Walker(new FuseClient(real));
    const b = new Walker(new FuseClient(new FuseServer(new MemoryFs(), { session: 1 })));
    for (const [i, step] of steps.entries()) {
      const [mine, theirs] = [shown(await a.run(step)), shown(await b.run(step))];
      if (mine !== theirs) differences.push(`run ${number}, step ${i} ${shown(step)}: ${mine}, the model ${theirs}`);
    }
    await real.close();
    await root.removeEntry(name, { recursive: true });
  }
  return differences;
}

addEventListener('message', ({ data }: MessageEvent<readonly (readonly Step[])[]>) => {
  compare(data).then(
    (differences) => postMessage(differences),
    (error: unknown) => postMessage([String(error)]),
  );
});
