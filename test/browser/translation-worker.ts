// What translation.test.ts runs in a Worker: a loop on the translator, whose regions another worker makes.
import { browserRegionCompiler } from '../../src/host/browser/region-compiler.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { translatorStatistics } from '../../src/machine/engine/cores.ts';
import { Machine } from '../../src/machine/session/machine.ts';

/** Turns of at most this many instructions until a region is there. */
const TURN = 2_000_000;
const TURNS = 2000;

addEventListener('message', ({ data: firmware }: MessageEvent<Uint8Array>) => {
  const run = async (): Promise<object> => {
    const compiler = browserRegionCompiler();
    const seen = { submitted: 0, modules: 0, here: 0 };
    const machine = await Machine.create(
      {
        firmware: { file: 'loop', bytes: firmware },
        memory: '2M',
        translator: {
          compile: (bytes) => {
            seen.here++;
            return new WebAssembly.Module(bytes);
          },
          compiler: {
            submit: (task) => {
              seen.submitted++;
              return compiler.submit(task);
            },
            finished: () => {
              const done = compiler.finished();
              seen.modules += done.filter(({ module }) => module instanceof WebAssembly.Module).length;
              return done;
            },
          },
        },
      },
      createHostRoom(),
    );
    let made = 0;
    let turns = 0;
    while (made === 0 && turns < TURNS) {
      await machine.run({ instructions: ++turns * TURN });
      // messages of the other worker come between two turns
      await new Promise((resolve) => setTimeout(resolve));
      made = translatorStatistics(machine.internals.engine.core)?.regions.made ?? -1;
    }
    await machine.run({ instructions: (turns + 1) * TURN });
    const { instructions } = machine.instant;
    const result = { ...seen, made, instructions, hash: machine.hash() };
    await machine.close();
    return result;
  };
  run().then(postMessage, (error: unknown) => postMessage({ error: String(error) }));
});
