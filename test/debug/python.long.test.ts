/** CPython of the root disk, crashed, down to its C locals: HINDSIGHT_LONG=1 HINDSIGHT_DEBUG_FILES=DIR, where Debian's python3.13-dbg and libc6-dbg are unpacked. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuestInfo } from '../../src/debug/guest-info.ts';
import { Monitor } from '../../src/debug/monitor/monitor.ts';
import { startGdbServer } from '../../src/host/node/debug/index.ts';
import { openSymbols } from '../../src/host/node/debug/symbol-file.ts';
import { findDisk } from '../../src/host/node/guest/index.ts';
import { type Body, DapClient } from './dap-client.ts';
import { runGdb } from './gdb-client.ts';
import { diskScene, guest, type LinuxScene } from './linux-scene.ts';

const FOLDER = process.env.HINDSIGHT_DEBUG_FILES;
const found = await findDisk();
const COMMAND = `python3 -c 'import ctypes
def look(where): return ctypes.string_at(where)
look(8)'`;

describe.runIf(FOLDER !== undefined && guest !== undefined && found !== undefined)('CPython, crashed', () => {
  let scene: LinuxScene;
  let monitor: Monitor;
  beforeAll(async () => {
    scene = await diskScene(COMMAND, found!);
    const { split } = await openSymbols([FOLDER!]);
    const guestInfo = new GuestInfo(scene.target, split);
    monitor = new Monitor(scene.target, guestInfo);
    await scene.target.mover.reverseContinue({
      execute: guestInfo.address('force_sig_fault')!,
      when: (_, hart) => guestInfo.current(hart)?.name === 'python3',
    });
  }, 300_000);
  afterAll(() => scene?.machine.close());

  it('shows its C frames and locals in gdb', async () => {
    const { guestInfo } = monitor;
    const server = await startGdbServer(scene.target, guestInfo, { port: 0, process: 'python3', monitor });
    try {
      const out = await runGdb(
        undefined,
        server.port,
        ['bt', 'frame function _PyEval_EvalFrameDefault', 'info locals'],
        180_000,
        true,
      );
      expect(out).toMatch(
        /#0 .*strlen[\s\S]* string_at \(ptr=[\s\S]* pymain_run_command \(command=[\s\S]*next_instr = 0x/,
      );
    } finally {
      await server.close();
    }
  }, 200_000);

  it('shows them in a DAP client', async () => {
    const c = new DapClient(scene, monitor);
    await c.ask('initialize', { adapterID: 'hindsight' });
    await c.ask('attach', { process: 'python3' });
    await c.move('configurationDone', {});
    const { threads } = await c.ask('threads');
    const { stackFrames } = await c.ask('stackTrace', { threadId: threads[0].id });
    const plain = ({ name }: Body): string => name.replace(/\+.*/, '');
    const names = stackFrames.map(plain);
    expect(names, names.join()).toContain('_PyEval_EvalFrameDefault');
    const frame = stackFrames.find((f: Body) => plain(f) === '_PyEval_EvalFrameDefault');
    const { scopes } = await c.ask('scopes', { frameId: frame.id });
    const variables: string[] = [];
    for (const { variablesReference } of scopes.slice(0, 2))
      for (const { name } of (await c.ask('variables', { variablesReference })).variables) variables.push(name);
    expect(variables).toEqual(expect.arrayContaining(['tstate', 'frame', 'throwflag', 'opcode', 'next_instr']));
    c.end();
    await c.done;
  }, 200_000);
});
