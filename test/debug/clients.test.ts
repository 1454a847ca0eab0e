import { connect } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeMessage, MessageReader } from '../../src/debug/dap/framing.ts';
import { encodePacket } from '../../src/debug/gdb/packets.ts';
import { GuestInfo } from '../../src/debug/guest-info.ts';
import { Monitor } from '../../src/debug/monitor/monitor.ts';
import { Opening } from '../../src/debug/opening.ts';
import { SymbolFile } from '../../src/debug/symbol-file.ts';
import { startDapServer } from '../../src/host/node/debug/dap-server.ts';
import { startGdbServer } from '../../src/host/node/debug/gdb-server.ts';
import { PC, X } from '../../src/machine/view/machine-view.ts';
import { readElf } from '../../src/symbols/elf.ts';
import { DapClient, type Message } from './dap-client.ts';
import { RawClient, runGdb } from './gdb-client.ts';
import { type Built, buildProgram, GCC, GDB, have } from './programs.ts';
import { type Scene, scene, served } from './scene.ts';

/** A loop in one line that takes millions of instructions, between two others. */
const LOOP = `
volatile long count, mark;
int main(void) {
  mark = 1;
  for (long i = 0; i < 700000; i++) count++;
  mark = 2;
  for (;;) count++;
}
`;
const lineOf = (text: string): number => LOOP.split('\n').findIndex((l) => l.includes(text)) + 1;

describe.runIf(have(GCC))('a loop in one line', () => {
  let program: Built;
  let loop: Scene;
  beforeAll(() => {
    program = buildProgram(LOOP, ['-O1']);
    loop = scene(program, { core: 'wasm', spacing: 1_000_000, limit: 8_000_000 });
  }, 60_000);

  it('is stepped over by a DAP client, forward and back', async () => {
    const c = new DapClient(loop);
    await c.ask('initialize', { adapterID: 'hindsight' });
    await c.ask('launch', { at: 'begin' });
    const lines = [{ line: lineOf('mark = 1') }];
    await c.ask('setBreakpoints', { source: { path: 'program.c' }, breakpoints: lines });
    await c.move('configurationDone', {});
    await c.move('continue');
    const here = async (): Promise<number> => (await c.ask('stackTrace', { threadId: 1 })).stackFrames[0].line;
    expect(await here()).toBe(lineOf('mark = 1'));
    await c.move('next');
    expect(await here()).toBe(lineOf('i < 700000'));
    const before = loop.target.instant.instructions;
    expect((await c.move('next')).reason).toBe('step');
    expect(await here()).toBe(lineOf('mark = 2'));
    expect(loop.target.instant.instructions - before).toBeGreaterThan(2_000_000);
    expect((await c.move('stepBack')).reason).toBe('step');
    expect(await here()).toBe(lineOf('i < 700000'));
    expect((await c.move('stepBack')).reason).toBe('step');
    expect(await here()).toBe(lineOf('mark = 1'));
    c.end();
    await c.done;
  }, 60_000);

  it('is replayed to its end while gdb waits; Ctrl-C ends the replay where it is', async () => {
    const { target, guestInfo } = scene(program, { core: 'wasm', limit: 100_000 });
    const monitor = new Monitor(target, guestInfo);
    const opening = new Opening();
    monitor.opening = opening;
    const ended = new Promise<boolean>((resolve) => {
      void monitor.exclusively(() =>
        opening.run(
          ({ signal }) =>
            new Promise<void>((over) =>
              signal!.addEventListener('abort', () => {
                over();
                resolve(true);
              }),
            ),
        ),
      );
    });
    const server = await startGdbServer(target, guestInfo, { port: 0, monitor });
    const socket = connect(server.port, '127.0.0.1');
    const heard: string[] = [];
    const until = (done: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => void (done() && resolve());
        socket.on('data', look);
        look();
      });
    socket.on('data', (bytes) => heard.push(bytes.toString('latin1')));
    socket.write(encodePacket('qSupported'));
    await until(() => heard.join('').length >= 3);
    expect(heard.join('')).toMatch(/^\+{3,}$/);
    socket.write('\x03');
    expect(await ended).toBe(true);
    await until(() => heard.join('').includes('PacketSize'));
    socket.destroy();
    await server.close();
  }, 60_000);

  it('that has no end is left by a pause and by Ctrl-C', async () => {
    const endless = scene(program, { core: 'wasm', spacing: 1_000_000, limit: 4_000_000 });
    await endless.target.mover.seek('100%');
    await endless.target.branch();
    const pc = endless.target.readRegister(0, PC)!;
    const [from, to] = endless.guestInfo.lineRange(pc)!;
    await served(endless, async ({ port }) => {
      const gdb = await RawClient.connect(port);
      await gdb.noAcks();
      gdb.send(`vCont;r${from.toString(16)},${to.toString(16)}:1;c`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      gdb.write('\x03');
      expect(await gdb.receive()).toMatch(/^T02/);
      gdb.destroy();
    });
    const c = new DapClient(endless);
    await c.ask('initialize', { adapterID: 'hindsight' });
    await c.ask('launch', {});
    await c.move('configurationDone', {});
    c.send('next', { threadId: 1 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    c.send('pause', { threadId: 1 });
    expect((await c.event('stopped')).reason).toBe('pause');
    c.end();
    await c.done;
  }, 60_000);
});

/** Hart 1 executes a little, then sleeps for good. */
const SLEEPER = `
volatile long count, slept;
int main(long hart) {
  if (hart == 1) { slept = 1; for (;;) __asm__ volatile("wfi"); }
  for (;;) count++;
}
`;

describe.runIf(have(GCC))('a hart that sleeps', () => {
  it('is stepped back to its last instruction, however long ago', async () => {
    const program = buildProgram(SLEEPER, ['-O1']);
    const { target } = scene(program, { core: 'wasm', harts: 2, spacing: 1_000_000, limit: 6_000_000 });
    await target.mover.seek('100%');
    const asleep = target.readRegister(1, PC)!;
    const { reason, at, hart } = await target.mover.reverseStep(1, { hart: 1 });
    expect(reason).toBe('there');
    expect(hart).toBe(1);
    expect(at.instructions).toBeLessThan(100_000);
    expect(target.activeHart()).toBe(1);
    // What it executes there is what put it to sleep.
    await target.mover.step(1);
    await target.mover.seek(at);
    expect(asleep - target.readRegister(1, PC)!).toBeLessThanOrEqual(4n);
    expect((await target.mover.reverseStep(1, { hart: 1 })).at.instructions).toBeLessThan(at.instructions);
  }, 60_000);
});

describe.runIf(have(GCC))('clients', () => {
  let program: Built;
  beforeAll(() => {
    program = buildProgram(LOOP, ['-O1']);
  }, 60_000);

  it.runIf(have(GDB))(
    'a second gdb is refused with the reason, and one connection that says nothing holds up nobody',
    async () => {
      await served(scene(program, { core: 'wasm', limit: 100_000 }), async ({ port }) => {
        const silent = await RawClient.connect(port);
        const first = await RawClient.connect(port);
        await first.noAcks();
        expect(await first.ask('?')).toMatch(/^T05/);
        const second = await runGdb(program.elf, port, ['info threads'], 20_000);
        expect(second).toContain('another debugger is connected');
        expect(await first.ask('?')).toMatch(/^T05/);
        first.destroy();
        const third = await runGdb(program.elf, port, ['info threads'], 20_000);
        expect(third).toContain('hart 0');
        silent.destroy();
      });
    },
    60_000,
  );

  it('what a client has chosen ends with it', async () => {
    const debugged = scene(program, { core: 'wasm', limit: 100_000 });
    await served(debugged, async ({ port }) => {
      const first = await RawClient.connect(port);
      expect(await first.monitor('interrupts into')).toContain('into');
      first.destroy();
      const next = await RawClient.connect(port);
      expect(await next.monitor('interrupts')).toContain('over');
      next.destroy();
    });
  });

  it('a second DAP client is refused with the reason', async () => {
    const { target, guestInfo } = scene(program, { core: 'wasm', limit: 100_000 });
    const server = await startDapServer(target, guestInfo, { port: 0 });
    /** The answer to initialize on a connection of its own, which stays open. */
    const initialize = (): Promise<Message> =>
      new Promise((resolve) => {
        const reader = new MessageReader();
        const socket = connect(server.port, '127.0.0.1');
        socket.on('data', (bytes) => reader.push(bytes).forEach((m) => resolve(m as Message)));
        socket.write(encodeMessage({ seq: 1, type: 'request', command: 'initialize', arguments: { adapterID: 'x' } }));
      });
    expect((await initialize()).success).toBe(true);
    expect((await initialize()).message).toContain('another client is connected');
    await server.close();
  });

  it('a DAP request without seq is answered, and the session goes on', async () => {
    const c = new DapClient(scene(program, { core: 'wasm', limit: 100_000 }));
    c.raw(encodeMessage({ type: 'request', command: 'threads' }));
    c.raw(encodeMessage({ type: 'request' }));
    expect((await c.ask('initialize', { adapterID: 'x' })).supportsStepBack).toBe(true);
    await c.ask('launch', {});
    expect((await c.ask('threads')).threads).toHaveLength(1);
    c.end();
    await c.done;
  });

  it('DAP initialize is answered while the machine is being moved', async () => {
    const debugged = scene(program, { core: 'wasm', limit: 100_000 });
    const monitor = new Monitor(debugged.target, debugged.guestInfo);
    const c = new DapClient(debugged, monitor);
    let release!: () => void;
    let busy!: Promise<void>;
    await new Promise<void>((started) => {
      busy = monitor.exclusively(() => {
        started();
        return new Promise<void>((resolve) => (release = resolve));
      });
    });
    expect((await c.ask('initialize', { adapterID: 'x' })).supportsStepBack).toBe(true);
    release();
    await busy;
    c.end();
    await c.done;
  });
});

/** `fail` does not return, so that the call to it is the last instruction of \`caller\`. */
const NORETURN = `
volatile long mark;
__attribute__((noinline, noreturn)) void fail(void) { mark = 1; for (;;) mark++; }
__attribute__((noinline, noreturn)) void caller(long n) { mark = n; fail(); }
__attribute__((noinline)) void neighbour(void) { mark = 3; }
int main(long hart) { if (hart == 7) neighbour(); caller(hart + 5); }
`;

describe.runIf(have(GCC))('call stacks', () => {
  it('name the caller of a function that does not return, not what lies after it', async () => {
    const program = buildProgram(NORETURN, ['-O1', '-fno-reorder-functions', '-fno-toplevel-reorder']);
    const { target } = scene(program, { core: 'wasm', limit: 10_000 });
    const info = new GuestInfo(target);
    info.addFile(new SymbolFile(readElf(program.elfBytes, 'program'), 'program'));
    await target.mover.seek('100%');
    const names = info.backtrace(0).map((f) => info.frameName(f)?.replace(/\+.*/, ''));
    expect(info.name(target.readRegister(0, X(1))!)).not.toMatch(/^caller/);
    expect(names.slice(0, 3)).toEqual(['fail', 'caller', 'main']);
  });
});
