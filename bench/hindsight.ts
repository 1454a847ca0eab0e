import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileBackend } from '../src/host/node/disk.ts';
import { openRecordFile } from '../src/host/node/record-file.ts';
import { nodeRegionCompiler } from '../src/host/node/region-compiler.ts';
import { createHostRoom } from '../src/host/room.ts';
import type { JitCore } from '../src/jit/core.ts';
import type { CoreKind } from '../src/machine/engine/cores.ts';
import { Machine } from '../src/machine/session/machine.ts';
import { LivePast } from '../src/timeline/live.ts';
import { benchClock, type ClockKind } from './clock.ts';
import { Marks } from './marks.ts';
import type { Workload } from './workload.ts';

/** What a run keeps: nothing, the recording's log, or the past in memory besides, as `hindsight run --record` at a terminal does. */
export type Keeping = 'nothing' | 'log' | 'past';

/** A run of a workload. */
export interface Run {
  readonly marks: Marks;
  /** Milliseconds of all of it. */
  readonly milliseconds: number;
  readonly instructions: number;
  /** Bytes of the recording, 0 without one. */
  readonly bytes: number;
  /** What the core remembers of hot code, where it is the translator. */
  readonly remembered?: Uint8Array;
}

/** How to run a workload. */
interface RunSettings {
  readonly clock?: ClockKind;
  readonly keeping?: Keeping;
  /** What an earlier run's translator remembered. */
  readonly remembered?: Uint8Array;
}

/**
 * Boots and runs the same as bench/qemu.ts on one of our cores, idle time skipped, with everything that `hindsight run --record` keeps unless
 * the settings say otherwise.
 */
export async function runHindsight(
  { kernel, initrd, append, disk }: Workload,
  core: CoreKind,
  { clock = 'wall', keeping = 'past', remembered }: RunSettings = {},
): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'hindsight-bench-'));
  const file = join(folder, 'bench.hsr');
  const named = (path: string): { file: string; bytes: Uint8Array } => ({ file: path, bytes: readFileSync(path) });
  const room = createHostRoom();
  const now = benchClock(clock);
  const text = new TextDecoder('latin1');
  try {
    const vm = await Machine.create(
      {
        kernel: named(kernel),
        initrd: named(initrd),
        append,
        core,
        translator: { compiler: nodeRegionCompiler(), ...(remembered && { remembered }) },
        ...(disk && {
          disks: [
            {
              file: disk.file,
              backend: new FileBackend(disk.file, disk.hash === undefined ? {} : { hash: disk.hash }),
            },
          ],
        }),
        ...(keeping === 'nothing' ? { hashEvery: 0 } : { record: openRecordFile(file) }),
      },
      room,
    );
    if (keeping === 'past') new LivePast(vm, room);
    const start = now();
    const marks = new Marks(now, () => vm.instant.instructions);
    vm.on('console', (bytes) => marks.add(text.decode(bytes)));
    await vm.run();
    const milliseconds = now() - start;
    const { core: engine } = vm.internals.engine;
    await vm.close();
    return {
      marks,
      milliseconds,
      instructions: vm.instant.instructions,
      bytes: keeping === 'nothing' ? 0 : statSync(file).size,
      ...(engine.kind === 'jit' && { remembered: (engine as JitCore).remember() }),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
