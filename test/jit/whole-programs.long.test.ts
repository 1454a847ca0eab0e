/**
 * A compiler run on the root disk, on the interpreter and on the translator with its thread: the same machine at every instant looked at. Minutes of
 * CPU time, so HINDSIGHT_LONG=1 runs it and nothing else does.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { realWorkload, type Workload } from '../../bench/workload.ts';
import { FileBackend } from '../../src/host/node/disk.ts';
import { nodeRegionCompiler } from '../../src/host/node/region-compiler.ts';
import { createHostRoom } from '../../src/host/room.ts';
import type { JitCore } from '../../src/jit/core.ts';
import type { CoreKind } from '../../src/machine/engine/cores.ts';
import { Machine } from '../../src/machine/session/machine.ts';

/** Instructions between two looks. */
const STEP = 10_000_000;

describe('gcc', { timeout: 3_600_000 }, () => {
  let workload: Workload;
  beforeAll(async () => {
    workload = await realWorkload(['gcc']);
  }, 3_600_000);
  afterAll(() => workload?.[Symbol.dispose]());

  async function hashes(core: CoreKind, remembered?: Uint8Array): Promise<{ seen: string[]; hot: Uint8Array }> {
    const { kernel, initrd, append, disk } = workload;
    const named = (file: string) => ({ file, bytes: readFileSync(file) });
    const machine = await Machine.create(
      {
        kernel: named(kernel),
        initrd: named(initrd),
        append,
        core,
        translator: { compiler: nodeRegionCompiler(), ...(remembered && { remembered }) },
        disks: [{ file: disk!.file, backend: new FileBackend(disk!.file, disk!.hash ? { hash: disk!.hash } : {}) }],
      },
      createHostRoom(),
    );
    const seen: string[] = [];
    for (let at = STEP; machine.instant.instructions === at - STEP; at += STEP) {
      await machine.run({ instructions: at });
      seen.push(machine.hash());
    }
    const { core: engine } = machine.internals.engine;
    const hot = engine.kind === 'jit' ? (engine as JitCore).remember() : new Uint8Array();
    await machine.close();
    return { seen, hot };
  }

  it('computes the same on the translator as on the interpreter, also when it remembers', async () => {
    const { seen: expected } = await hashes('wasm');
    expect(expected.length).toBeGreaterThan(100);
    const first = await hashes('jit');
    expect(first.seen).toEqual(expected);
    expect((await hashes('jit', first.hot)).seen).toEqual(expected);
  });
});
