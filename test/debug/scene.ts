import { EngineTarget } from '../../src/debug/engine-target.ts';
import { Knowledge, symbolFile } from '../../src/debug/knowledge.ts';
import { type GdbServer, startGdbServer } from '../../src/host/node/debug/gdb-server.ts';
import { readElf } from '../../src/symbols/elf.ts';
import type { Built } from './programs.ts';
import { type BareOptions, bareEngine, SnapshotBase } from './snapshot-base.ts';

/** A recorded run of a program with everything a debugger needs. */
export interface Scene {
  readonly base: SnapshotBase;
  readonly target: EngineTarget;
  readonly knowledge: Knowledge;
}

export function scene(program: Built, options: BareOptions = {}): Scene {
  const base = new SnapshotBase(bareEngine(program, options), options);
  const target = new EngineTarget(base);
  const knowledge = new Knowledge(target);
  knowledge.addFile(symbolFile(readElf(program.elfBytes, 'program'), 'program'));
  return { base, target, knowledge };
}

/** Serves a scene to gdb while `use` runs. */
export async function served<T>({ target, knowledge }: Scene, use: (server: GdbServer) => Promise<T>): Promise<T> {
  const server = await startGdbServer(target, knowledge, { port: 0 });
  try {
    return await use(server);
  } finally {
    await server.close();
  }
}
