import { GuestInfo } from '../../src/debug/guest-info.ts';
import { SymbolFile } from '../../src/debug/symbol-file.ts';
import { DebugTarget } from '../../src/debug/target.ts';
import { type GdbServer, startGdbServer } from '../../src/host/node/debug/gdb-server.ts';
import { readElf } from '../../src/symbols/elf.ts';
import type { Built } from './programs.ts';
import { type BareOptions, bareEngine, SnapshotBase } from './snapshot-base.ts';

/** A recorded run of a program with everything a debugger needs. */
export interface Scene {
  readonly base: SnapshotBase;
  readonly target: DebugTarget;
  readonly guestInfo: GuestInfo;
}

export function scene(program: Built, options: BareOptions = {}): Scene {
  const base = new SnapshotBase(bareEngine(program, options), options);
  const target = new DebugTarget(base);
  const guestInfo = new GuestInfo(target);
  guestInfo.addFile(new SymbolFile(readElf(program.elfBytes, 'program'), 'program'));
  return { base, target, guestInfo };
}

/** Serves a scene to gdb while `use` runs. */
export async function served<T>({ target, guestInfo }: Scene, use: (server: GdbServer) => Promise<T>): Promise<T> {
  const server = await startGdbServer(target, guestInfo, { port: 0 });
  try {
    return await use(server);
  } finally {
    await server.close();
  }
}
