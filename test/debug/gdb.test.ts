import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { CSR, F, PC, X } from '../../src/machine/view/machine-view.ts';
import { RawClient, runGdb } from './gdb-client.ts';
import { randomSequences } from './gdb-random.ts';
import { type Built, buildProgram, EXAMPLE, GCC, GDB, have, LIST_PROGRAM } from './programs.ts';
import { type Scene, scene, served } from './scene.ts';

const LONG_PROGRAM = `
volatile long counter, wanted;
__attribute__((noinline)) void hit(long i) { counter = i; }
int main(void) { for (long i = 0; i < 100000; i++) hit(i); wanted = 1; return 0; }
`;
const SMP_PROGRAM = `
volatile long turns[8], done;
int main(long hart) { for (int i = 0; i < 2000; i++) turns[hart]++; __atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST); while (done < 4); return 0; }
`;

describe.runIf(have(GCC) && have(GDB))('the real gdb', () => {
  let list: Built;
  let scenes: Scene;

  beforeAll(() => {
    list = buildProgram(LIST_PROGRAM);
    scenes = scene(list, { core: 'wasm', spacing: 5000 });
  }, 60_000);

  it("finds a corrupted list's guilty store backwards", async () => {
    await scenes.target.mover.seek(0);
    const script = readFileSync(join(EXAMPLE, 'session.gdb'), 'utf8')
      .split('\n')
      .filter((l) => l !== '' && !/^#|^set |^target /.test(l));
    const out = await served(scenes, ({ port }) => runGdb(list.elf, port, script));
    expect(out).toContain('No more reverse-execution history');
    expect(out).toMatch(/Old value = \(struct node \*\) 0x1234\s+New value = \(struct node \*\) 0x8[0-9a-f]+ <nodes/);
    expect(out).toMatch(/=> 0x[0-9a-f]+ <tidy\+\d+>:\s+sd\s/);
    expect(out).toMatch(/#0 .* in tidy .*\n#1 .* in main/);
    expect(out).toContain('the guilty store');
  }, 60_000);

  it('steps, finishes and breaks in both directions', async () => {
    await scenes.target.mover.seek(0);
    const out = await served(scenes, ({ port }) =>
      runGdb(list.elf, port, [
        'break total if rounds == 50',
        'continue',
        'p rounds',
        'p $pc == (void *)total',
        'info program',
        'set $here = $pc',
        'stepi',
        'stepi',
        'reverse-stepi',
        'reverse-stepi',
        'p $pc == $here',
        'delete',
        'finish',
        'reverse-step',
        'up',
        'down',
        'break tidy',
        'reverse-continue',
        'bt 1',
        'reverse-finish',
        'bt 1',
        'next',
        'reverse-next',
        'bt 1',
        'delete',
        'reverse-continue',
        'p $pc == (void *)_start',
      ]),
    );
    expect(out).toMatch(/\$1 = 50\n\$2 = 1/);
    expect(out).toContain('$3 = 1');
    expect(out).toMatch(/Breakpoint 2, (0x[0-9a-f]+ in )?tidy/);
    expect(out).toContain('No more reverse-execution history');
    expect(out).toContain('$5 = 1');
  }, 60_000);

  it('evaluates conditions on our side, 10⁵ times', async () => {
    const program = buildProgram(LONG_PROGRAM);
    const long = scene(program, { core: 'wasm', spacing: 500_000 });
    const out = await served(long, ({ port }) =>
      runGdb(
        program.elf,
        port,
        ['break hit if i == 99999', 'continue', 'p $a0', 'delete', 'break hit if i == 5', 'reverse-continue', 'p $a0'],
        120_000,
      ),
    );
    expect(out).toContain('$1 = 99999');
    expect(out).toContain('$2 = 5');
  }, 120_000);

  it('shows harts as threads', async () => {
    const program = buildProgram(SMP_PROGRAM);
    const smp = scene(program, { harts: 4 });
    const out = await served(smp, ({ port }) =>
      runGdb(program.elf, port, [
        'monitor seek 5000',
        'maintenance flush register-cache',
        'info threads',
        'thread 3',
        'p $tp == $tp',
        'stepi',
        'reverse-stepi',
        'watch turns[2]',
        'continue',
        'p turns[2]',
        'reverse-continue',
        'reverse-continue',
        'p turns[2]',
      ]),
    );
    expect(out).toMatch(/Thread 1 "hart 0"[\s\S]*Thread 4 "hart 3"/);
    expect(out).toMatch(/Old value = (\d+)\s+New value = \d+/);
    expect(out).not.toContain('Remote failure');
  }, 60_000);

  it('refuses writes to the past, allows them on a branch', async () => {
    const own = scene(list);
    const out = await served(own, ({ port }) =>
      runGdb(list.elf, port, [
        'break main',
        'continue',
        'set $a0 = 7',
        'set var rounds = 7',
        'p rounds',
        'monitor branch',
        'set var rounds = 7',
        'p rounds',
        'set $a0 = 9',
        'p $a0',
        'monitor when',
        'stepi',
        'reverse-stepi',
        'detach',
      ]),
    );
    expect(out).toContain('the past cannot be changed');
    expect(out).toMatch(/\$1 = 0[\s\S]*a branch begins here[\s\S]*\$2 = 7[\s\S]*\$3 = 9/);
  }, 60_000);

  it('attaches and detaches a hundred times', async () => {
    await served(scenes, async ({ port }) => {
      for (let i = 0; i < 97; i++) {
        const c = await RawClient.connect(port);
        expect(await c.ask('?')).toMatch(/^T/);
        if (i % 3 === 0) expect(await c.ask('D')).toBe('OK');
        c.destroy();
      }
      for (let i = 0; i < 3; i++) expect(await runGdb(list.elf, port, ['p $pc'])).toContain('$1 =');
    });
  }, 60_000);

  it('agrees with a straight run after random commands', async () => {
    const { target, base } = scenes;
    await target.mover.seek(0);
    let seed = 42;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % n;
    };
    const straight = scene(list, { spacing: 5000 }).target;
    await served(scenes, async ({ port }) => {
      const c = await RawClient.connect(port);
      await c.noAcks();
      const tidy = scenes.guestInfo.address('tidy')!.toString(16);
      const crashed = scenes.guestInfo.address('sum')!.toString(16);
      for (let i = 0; i < 1000; i++) {
        const command = ['s', 'vCont;s:1', 'bs', 'bs', 'c', 'vCont;c', 'bc', 'seek', 's', 'bs'][random(10)];
        const points =
          random(3) === 0
            ? [`Z0,${tidy},4`]
            : random(2) === 0
              ? [`Z2,${crashed},8`]
              : [`Z1,${tidy},4`, `Z4,${crashed},8`];
        if (command === 'seek') await c.monitor(`seek ${random(base.reached.instructions)}`);
        else {
          for (const p of points) expect(await c.ask(p)).toBe('OK');
          expect(await c.ask(command)).toMatch(/^T05/);
          for (const p of points) expect(await c.ask(p.replace('Z', 'z'))).toBe('OK');
        }
        const at = target.instant.instructions;
        await straight.mover.seek(at);
        const registers = await c.ask('g');
        for (let n = 0; n < 33; n++) {
          const mine = straight.readRegister(0, n < 32 ? X(n) : PC)!;
          const theirs = registers
            .slice(n * 16, n * 16 + 16)
            .match(/../g)!
            .reverse()
            .join('');
          expect(BigInt(`0x${theirs}`), `register ${n} after ${i} commands, the last ${command} to ${at}`).toBe(mine);
        }
      }
      c.destroy();
    });
  }, 120_000);

  it('agrees with a straight run in the real gdb too', async () => {
    expect(await randomSequences(10, 4)).toBe(60);
  }, 120_000);

  it('stops at Ctrl-C going back', async () => {
    const program = buildProgram('int main(void) { for (volatile long i = 0; i < 3000000; i++); return 0; }');
    const long = scene(program, { core: 'wasm', spacing: 2_000_000, limit: 40_000_000 });
    await long.target.mover.seek(long.target.mover.end);
    await served(long, async ({ port }) => {
      const c = await RawClient.connect(port);
      await c.noAcks();
      // a condition that never holds and is asked often: push the constant 0, end
      expect(await c.ask(`Z0,${(long.guestInfo.address('main')! + 8n).toString(16)},4`)).toBe('OK');
      c.send('bc');
      setTimeout(() => c.write('\x03'), 30);
      expect(await c.receive()).toMatch(/^T0(2|5)/);
      expect(await c.ask('?')).toMatch(/^T/);
      c.destroy();
    });
  }, 60_000);

  it('reads registers of every kind', async () => {
    await scenes.target.mover.seek(1000);
    await served(scenes, async ({ port }) => {
      const c = await RawClient.connect(port);
      const value = async (n: number): Promise<bigint> =>
        BigInt(`0x${(await c.ask(`p${n.toString(16)}`)).match(/../g)!.reverse().join('')}`);
      expect(await value(32)).toBe(scenes.target.readRegister(0, PC));
      expect(await value(33)).toBe(scenes.target.readRegister(0, F(0)));
      expect(await value(65 + 0x100)).toBe(scenes.target.readRegister(0, CSR(0x100)));
      expect(await value(65 + 4096)).toBe(1n);
      expect(await c.ask('p9999')).toMatch(/^E/);
      c.destroy();
    });
  });
});
