import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { GDB_SCRIPT } from '../../src/debug/gdb/script.ts';
import { PC } from '../../src/machine/view/machine-view.ts';
import { runGdb } from './gdb-client.ts';
import { buildProgram, GCC, GDB, have, LIST_PROGRAM } from './programs.ts';
import { scene, served } from './scene.ts';

it.runIf(have(GCC) && have(GDB))(
  'gdb sees by itself where a seek of the printed script has led',
  async () => {
    const program = buildProgram(LIST_PROGRAM, ['-O0']);
    const built = scene(program, { core: 'wasm' });
    const script = join(mkdtempSync(join(tmpdir(), 'hindsight-script-')), 'init.gdb');
    writeFileSync(script, GDB_SCRIPT);
    const out = await served(built, (server) =>
      runGdb(program.elf, server.port, [
        `source ${script}`,
        ...['p/x $pc', 'seek 50%', 'p/x $pc', 'seek event 7', 'seek 1000', 'p/x $pc', 'help seek', 'crash'],
      ]),
    );
    const pcs = [...out.matchAll(/\$\d+ = (0x\w+)/g)].map((m) => BigInt(m[1]));
    const at = async (where: '50%' | 1000): Promise<bigint> => {
      await built.target.mover.seek(where);
      return built.target.readRegister(0, PC)!;
    };
    expect(pcs.slice(1)).toEqual([await at('50%'), await at(1000)]);
    expect(out).toContain('go to a number of instructions');
    expect(out).toContain('no Linux kernel');
  },
  60_000,
);
