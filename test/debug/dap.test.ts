import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromBase64, toBase64 } from '../../src/bytes/base64.ts';
import { Arguments } from '../../src/debug/dap/arguments.ts';
import { Breakpoints } from '../../src/debug/dap/breakpoints.ts';
import { encodeMessage, MessageReader } from '../../src/debug/dap/framing.ts';
import { GuestInfo } from '../../src/debug/guest-info.ts';
import { Monitor } from '../../src/debug/monitor/monitor.ts';
import { Opening } from '../../src/debug/opening.ts';
import { startGdbServer } from '../../src/host/node/debug/gdb-server.ts';
import { type Body, DapClient } from './dap-client.ts';
import { checkMessage, checkRequest, PROTOCOL } from './dap-schema.ts';
import { RawClient } from './gdb-client.ts';
import { type Built, buildProgram, GCC, have, LIST_PROGRAM } from './programs.ts';
import { type Scene, scene } from './scene.ts';

describe('framing', () => {
  it('cuts any stream', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 5 }), fc.integer({ min: 1, max: 50 }), (messages, cut) => {
        const sent = messages.map((m) => JSON.parse(JSON.stringify(m)));
        const wire = Uint8Array.from(sent.flatMap((m) => [...encodeMessage(m)]));
        const reader = new MessageReader();
        const got: unknown[] = [];
        for (let at = 0; at < wire.length; at += cut) got.push(...reader.push(wire.subarray(at, at + cut)));
        expect(got).toEqual(sent);
      }),
      { seed: 3 },
    );
  });

  it('refuses what is no header, or too long', () => {
    const push = (text: string): unknown => new MessageReader().push(new TextEncoder().encode(text));
    expect(() => push('Hello: 1\r\n\r\n')).toThrow('Content-Length');
    expect(() => push('Content-Length: 999999999\r\n\r\n')).toThrow('too long');
    expect(() => push('x'.repeat(5000))).toThrow('no end');
    expect(() => push('Content-Length: 2\r\n\r\n{x')).toThrow('JSON');
  });

  it('writes base64', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (b) => {
        expect(toBase64(b)).toBe(Buffer.from(b).toString('base64'));
        expect(fromBase64(toBase64(b))).toEqual(b);
      }),
      { seed: 3 },
    );
  });
});

describe("the protocol's own types", () => {
  const event = (body: object): Parameters<typeof checkMessage>[0] => ({
    seq: 1,
    type: 'event',
    event: 'stopped',
    body,
  });

  it('find what is missing, wrong or not of the protocol', () => {
    expect(Number(PROTOCOL.split('.')[1])).toBeGreaterThanOrEqual(60);
    checkMessage(event({ reason: 'step', threadId: 1 }));
    expect(() => checkMessage(event({ threadId: 1 }))).toThrow('StoppedEvent.body.reason is missing');
    expect(() => checkMessage(event({ reason: 'step', threadId: '1' }))).toThrow('StoppedEvent.body.threadId');
    expect(() => checkMessage(event({ reason: 'step', thread: 1 }))).toThrow('the protocol has no thread');
    expect(() => checkMessage({ seq: 1, type: 'event', event: 'moved' })).toThrow('the protocol has no MovedEvent');
    expect(() => checkRequest('stackTrace', {})).toThrow('threadId is missing');
    const scopes = {
      seq: 2,
      type: 'response',
      request_seq: 1,
      success: true,
      command: 'scopes',
      body: { scopes: [{ name: 'r', variablesReference: 1 }] },
    };
    expect(() => checkMessage(scopes)).toThrow('scopes[0].expensive is missing');
  });
});

describe.runIf(have(GCC))('a scripted client', () => {
  let program: Built;
  let scenes: Scene;

  beforeAll(() => {
    program = buildProgram(LIST_PROGRAM, ['-O0']);
    scenes = scene(program, { core: 'wasm' });
  }, 60_000);

  async function start(at = 'begin'): Promise<DapClient> {
    const c = new DapClient(scenes);
    expect(
      (await c.ask('initialize', { adapterID: 'hindsight', supportsProgressReporting: true })).supportsStepBack,
    ).toBe(true);
    await c.ask('launch', { at });
    await c.event('initialized');
    return c;
  }

  const top = async (c: DapClient): Promise<Record<string, any>> =>
    (await c.ask('stackTrace', { threadId: 1 })).stackFrames[0];
  const line = (text: string): number => LIST_PROGRAM.split('\n').findIndex((l) => l.includes(text)) + 1;

  it('finds the guilty store backwards', async () => {
    const c = await start('end');
    expect((await c.move('configurationDone', {})).reason).toBe('entry');
    await c.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'nowhere' }, { name: 'total' }] });
    expect((await c.move('reverseContinue')).reason).toBe('breakpoint');
    expect((await top(c)).name).toBe('total');
    await c.ask('setFunctionBreakpoints', { breakpoints: [] });
    const info = await c.ask('dataBreakpointInfo', { name: 'crashed' });
    await c.ask('setDataBreakpoints', { breakpoints: [{ dataId: info.dataId, accessType: 'write' }] });
    expect((await c.move('continue')).reason).toBe('data breakpoint');
    expect((await c.move('reverseContinue')).reason).toBe('data breakpoint');
    expect(await top(c)).toMatchObject({ name: expect.stringMatching(/^total\+/), line: line('crashed = 1') });

    const nodes = BigInt((await c.ask('evaluate', { expression: '&nodes' })).memoryReference);
    const { data } = await c.ask('readMemory', { memoryReference: `0x${nodes.toString(16)}`, count: 64 * 16 });
    const view = new DataView(Uint8Array.from(fromBase64(data)!).buffer);
    const broken = Array.from({ length: 64 }, (_, i) => i).find((i) => view.getBigUint64(i * 16, true) === 0x1234n)!;
    await c.ask('setDataBreakpoints', {
      breakpoints: [{ dataId: `0x${(nodes + BigInt(broken * 16)).toString(16)},8`, accessType: 'write' }],
    });
    await c.move('reverseContinue');
    expect(await top(c)).toMatchObject({ name: expect.stringMatching(/^tidy\+/), line: line('the guilty store') });
    c.end();
    await c.done;
  });

  it('steps by line over calls, out and back', async () => {
    const c = await start();
    await c.ask('setBreakpoints', {
      source: { path: 'program.c' },
      breakpoints: [{ line: line('sum = total()') }, { line: 99_999 }],
    });
    await c.move('configurationDone', {});
    await c.move('continue');
    const there = (await top(c)).line;
    expect(there).toBe(line('sum = total()'));
    expect((await c.move('next')).reason).toBe('step');
    expect((await top(c)).line).toBe(line('if (crashed) break'));
    await c.move('stepBack');
    expect(await top(c)).toMatchObject({ name: expect.stringMatching(/^main/) });
    await c.ask('setBreakpoints', { source: { path: 'program.c' }, breakpoints: [] });
    await c.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'total' }] });
    await c.move('continue');
    await c.ask('setFunctionBreakpoints', { breakpoints: [] });
    await c.move('stepIn');
    await c.move('stepOut');
    expect((await top(c)).name).toMatch(/^main\+/);
    await c.move('stepBack', { threadId: 1, granularity: 'instruction' });
    expect((await top(c)).name).toMatch(/^main\+/);
    c.end();
  });

  it('shows the machine', async () => {
    const c = await start('50%');
    await c.move('configurationDone', {});
    expect((await c.ask('threads')).threads).toHaveLength(1);
    const frame = await top(c);
    const { scopes } = await c.ask('scopes', { frameId: frame.id });
    for (const s of scopes.filter((s: { name: string }) => /registers|Machine/.test(s.name)))
      expect((await c.ask('variables', { variablesReference: s.variablesReference })).variables.length).toBeGreaterThan(
        3,
      );
    const listing = await c.ask('disassemble', {
      memoryReference: frame.instructionPointerReference,
      instructionOffset: -10,
      instructionCount: 30,
      resolveSymbols: true,
    });
    expect(listing.instructions).toHaveLength(30);
    expect(listing.instructions[10].address).toBe(frame.instructionPointerReference);
    expect((await c.ask('disassemble', { memoryReference: '0x10', instructionCount: 4 })).instructions).toHaveLength(4);
    expect((await c.ask('evaluate', { expression: 'ps', context: 'repl' })).result).toContain('no Linux kernel');
    const repl = async (expression: string): Promise<string> =>
      (await c.ask('evaluate', { expression, context: 'repl' })).result;
    expect(
      (await repl('hits tidy 3')).split('\n').filter((l) => /^\d+ {2}hart 0 {2}0x\w+ <tidy>/.test(l)),
    ).toHaveLength(3);
    expect(await repl('writes crashed')).toMatch(/^\d+ {2}hart 0 {2}0x\w+ <total\+0x\w+>.*\n$/);
    expect(await repl('crash')).toContain('no Linux kernel');
    expect((await c.ask('evaluate', { expression: 'help', context: 'repl' })).result).toContain('who-wrote');
    expect((await c.ask('evaluate', { expression: '(1 + 2) * 3 == 9 && sp > 0' })).memoryReference).toBe('0x1');
    expect((await c.try('evaluate', { expression: '1 +' })).success).toBe(false);
    const registers = scopes.find((s: { name: string }) => s.name === 'Integer registers').variablesReference;
    expect((await c.try('setVariable', { variablesReference: registers, name: 'a0', value: '1' })).message).toContain(
      'the past cannot be changed',
    );
    expect((await c.try('stackTrace', { threadId: 99 })).success).toBe(false);
    expect((await c.try('bogus')).success).toBe(false);
    expect((await c.try('readMemory', { memoryReference: 'zz', count: 1 })).success).toBe(false);
    expect((await c.try('setBreakpoints', { source: 5 })).success).toBe(false);
    c.end();
  });

  it('goes to instants and lines, and logs the past', async () => {
    const c = await start('end');
    await c.move('configurationDone', {});
    await c.ask('evaluate', { expression: 'seek 1000', context: 'repl' });
    expect((await c.event('stopped')).reason).toBe('goto');
    expect(scenes.target.instant.instructions).toBe(1000);
    const { targets } = await c.ask('gotoTargets', { source: { path: 'program.c' }, line: line('s += n->value') });
    await c.move('goto', { threadId: 1, targetId: targets[1].id });
    expect((await top(c)).line).toBe(line('s += n->value'));

    await c.ask('setFunctionBreakpoints', { breakpoints: [] });
    await c.ask('setInstructionBreakpoints', {
      breakpoints: [
        { instructionReference: `0x${scenes.guestInfo.address('tidy')!.toString(16)}`, condition: 'a0 == 7' },
      ],
    });
    await c.move('continue');
    expect((await c.ask('evaluate', { expression: 'a0' })).memoryReference).toBe('0x7');
    await c.ask('setInstructionBreakpoints', { breakpoints: [] });
    await c.ask('setBreakpoints', {
      source: { path: 'program.c' },
      breakpoints: [{ line: line('sum = total()'), logMessage: 'rounds {rounds} {sp}' }],
    });
    expect((await c.move('continue')).text).toBe('the end of the recording');
    const logged = c.all.filter((m) => m.event === 'output').map((m) => m.body!.output as string);
    expect(logged.length).toBeGreaterThan(20);
    expect(logged[0]).toMatch(/^\d+: rounds \d+ 0x[0-9a-f]+ <stacks\+0x[0-9a-f]+>\n$/);
    expect((await c.move('reverseContinue')).text).toBe('the beginning of the recording');
    c.end();
  });

  /** The variables of a scope of a frame, by name. */
  async function variables(c: DapClient, frameId: number, scope: string): Promise<Map<string, Record<string, any>>> {
    const { scopes } = await c.ask('scopes', { frameId });
    const { variablesReference } = scopes.find((s: { name: string }) => s.name === scope);
    const list = (await c.ask('variables', { variablesReference })).variables;
    return new Map(list.map((v: { name: string }) => [v.name, v]));
  }

  it('shows variables of every frame, and what they lead to', async () => {
    const c = await start();
    await c.ask('setBreakpoints', {
      source: { path: 'program.c' },
      breakpoints: [{ line: line('s += n->value'), condition: 's > 100 && n->value % 2 == 1' }],
    });
    await c.move('configurationDone', {});
    await c.move('continue');
    const [inner, outer] = (await c.ask('stackTrace', { threadId: 1 })).stackFrames;
    expect([inner.name.replace(/\+.*/, ''), outer.name.replace(/\+.*/, '')]).toEqual(['total', 'main']);
    const locals = await variables(c, inner.id, 'Locals');
    const n = locals.get('n')!;
    expect(n).toMatchObject({ type: 'node *', value: expect.stringMatching(/^0x[0-9a-f]+ <nodes/) });
    const parts = (await c.ask('variables', { variablesReference: n.variablesReference })).variables;
    expect(parts.map((v: Body) => [v.name, v.type, v.evaluateName])).toEqual([
      ['next', 'struct node *', 'n->next'],
      ['value', 'long int', 'n->value'],
    ]);
    expect(Number(parts[1].value) % 2).toBe(1);
    const globals = await variables(c, outer.id, 'Globals of the file');
    const nodes = globals.get('nodes')!;
    expect(nodes).toMatchObject({ type: 'node [64]', indexedVariables: 64 });
    const some = await c.ask('variables', {
      variablesReference: nodes.variablesReference,
      filter: 'indexed',
      start: 2,
      count: 3,
    });
    expect(some.variables.map((v: Body) => v.name)).toEqual(['[2]', '[3]', '[4]']);
    // An outer frame has registers of its own.
    const sp = async (id: number): Promise<string> => (await variables(c, id, 'Integer registers')).get('sp')!.value;
    expect(BigInt((await sp(outer.id)).split(' ')[0])).toBeGreaterThan(BigInt((await sp(inner.id)).split(' ')[0]));
    const ask = async (expression: string, frameId = inner.id): Promise<string> =>
      (await c.ask('evaluate', { expression, frameId, context: 'watch' })).result;
    expect(await ask('nodes[3].next == &nodes[4]')).toBe('1');
    expect(await ask('n->value,x')).toMatch(/^0x/);
    expect(await ask('*n')).toMatch(/^\{next = 0x[0-9a-f]+ <nodes(\+\d+)?>, value = \d+\}$/);
    expect((await c.try('evaluate', { expression: 'nowhere + 1', frameId: inner.id })).message).toContain(
      'no variable',
    );
    expect((await c.try('evaluate', { expression: 'tidy(3)', frameId: inner.id })).message).toContain(
      'cannot be called',
    );
    const completed = async (text: string): Promise<string[]> =>
      (await c.ask('completions', { text, column: text.length + 1, frameId: inner.id })).targets.map(
        (t: Body) => t.label,
      );
    expect(await completed('n->')).toEqual(['next', 'value']);
    expect(await completed('cras')).toContain('crashed');
    expect(await completed('who-w')).toContain('who-wrote');
    expect((await c.ask('modules')).modules[0]).toMatchObject({ symbolStatus: 'types and lines' });
    expect((await c.ask('loadedSources')).sources.some((s: Body) => s.path.endsWith('program.c'))).toBe(true);
    const info = await c.ask('dataBreakpointInfo', { name: 'value', variablesReference: n.variablesReference });
    expect(info.dataId).toMatch(/,8$/);
    c.end();
    await c.done;
  });

  it('means the same hit in both directions', async () => {
    const c = await start();
    await c.move('configurationDone', {});
    const at = async (hitCondition: string, go: string): Promise<number> => {
      await c.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'tidy', hitCondition }] });
      await c.move(go);
      return scenes.target.instant.instructions;
    };
    const fifth = await at('= 5', 'continue');
    const sixth = await at('= 6', 'continue');
    expect(sixth).toBeGreaterThan(fifth);
    await c.ask('evaluate', { expression: 'seek end', context: 'repl' });
    await c.event('stopped');
    expect(await at('= 6', 'reverseContinue')).toBe(sixth);
    expect(await at('= 5', 'reverseContinue')).toBe(fifth);
    expect(await at('% 6', 'continue')).toBe(sixth);
    const bad = await c.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'tidy', hitCondition: 'often' }] });
    expect(bad.breakpoints[0]).toMatchObject({ verified: false, message: expect.stringContaining('often') });
    expect((await c.move('restart', {})).text).toBe('the beginning of the recording');
    expect(scenes.target.instant.instructions).toBeLessThan(10);
    expect((await c.ask('exceptionInfo', { threadId: 1 })).exceptionId).toBe('none');
    c.end();
    await c.done;
  });

  it('sets variables of every kind on a branch that it begins when it was asked to', async () => {
    const own = scene(program, { core: 'wasm' });
    const c = new DapClient(own);
    await c.ask('initialize', { adapterID: 'hindsight', supportsInvalidatedEvent: true });
    await c.ask('launch', { at: 'begin', autoBranch: true });
    await c.event('initialized');
    await c.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'total' }] });
    await c.move('configurationDone', {});
    await c.move('continue');
    await c.move('next');
    const [inner, outer] = (await c.ask('stackTrace', { threadId: 1 })).stackFrames;
    const { scopes } = await c.ask('scopes', { frameId: inner.id });
    const { variablesReference } = scopes.find((s: Body) => s.name === 'Locals');
    expect(own.target.readOnly).toBe(true);
    expect((await c.ask('setVariable', { variablesReference, name: 's', value: '40 + 2' })).value).toBe('42');
    expect(own.target.readOnly).toBe(false);
    expect((await c.event('invalidated')).areas).toEqual(['all']);
    expect((await c.ask('evaluate', { expression: 's' })).result).toBe('42');
    expect((await c.ask('evaluate', { expression: 'nodes[5].value = s * 2', context: 'repl' })).result).toBe('84');
    expect(
      (await c.ask('setExpression', { expression: 'nodes[6].next', value: '(struct node *)0x1234' })).value,
    ).toContain('0x1234');
    expect((await c.ask('evaluate', { expression: '$a5 = 7' })).result).toContain('0x7');
    expect((await c.try('evaluate', { expression: 'nodes = 3' })).message).toContain('set by its parts');
    expect((await c.try('setVariable', { variablesReference, name: 's', value: '1' })).message).toContain(
      'not known any more',
    );
    expect(outer.name).toMatch(/^main/);
    c.end();
    await c.done;
  });

  it('finds the place of a breakpoint once the file it is in is there', () => {
    const { target, guestInfo } = scenes;
    const later = new GuestInfo(target);
    const breakpoints = new Breakpoints(later, () => undefined);
    const wish = { source: { path: 'program.c' }, breakpoints: [{ line: line('s += n->value') }] };
    expect(breakpoints.source(new Arguments(wish))).toMatchObject({ breakpoints: [{ id: 1, verified: false }] });
    const found: object[] = [];
    breakpoints.refresh((b) => found.push(b));
    expect([found, breakpoints.points()]).toEqual([[], []]);
    for (const file of guestInfo.files) later.addFile(file);
    breakpoints.refresh((b) => found.push(b));
    breakpoints.refresh((b) => found.push(b));
    expect(found).toMatchObject([{ id: 1, verified: true, line: line('s += n->value') }]);
    expect(breakpoints.points()).toHaveLength(1);
  });

  it('takes turns with a gdb that looks at the same machine', async () => {
    const monitor = new Monitor(scenes.target, scenes.guestInfo);
    const server = await startGdbServer(scenes.target, scenes.guestInfo, { port: 0, monitor });
    const c = new DapClient(scenes, monitor);
    await c.ask('initialize', { adapterID: 'hindsight' });
    await c.ask('launch', { at: '1000' });
    const gdb = await RawClient.connect(server.port);
    await gdb.noAcks();
    await c.move('configurationDone', {});
    // A long move of the one, and moves of the other asked for meanwhile.
    c.send('continue', { threadId: 1 });
    gdb.send('bs');
    gdb.send('bs');
    expect((await c.event('stopped')).text).toBe('the end of the recording');
    for (let i = 0; i < 2; i++) expect(await gdb.receive()).toMatch(/^T05/);
    expect(scenes.target.instant.instructions).toBe(scenes.target.mover.end.instructions - 2);
    gdb.destroy();
    c.end();
    await c.done;
    await server.close();
  });

  it('is answered while the recording is still replayed, shows how far that is, and can end it', async () => {
    const monitor = new Monitor(scenes.target, scenes.guestInfo);
    const opening = new Opening();
    monitor.opening = opening;
    let ended = false;
    const opened = monitor.exclusively(() =>
      opening.run(async ({ signal, onProgress }) => {
        for (let i = 0; !signal!.aborted; i++) {
          onProgress!(i / 1000);
          await new Promise((resolve) => setImmediate(resolve));
        }
        ended = true;
      }),
    );
    const c = new DapClient(scenes, monitor);
    await c.ask('initialize', { adapterID: 'hindsight', supportsProgressReporting: true });
    expect((await c.event('progressStart')).title).toBe('Replaying the recording');
    expect(ended).toBe(false);
    // Where a launch wants to be elsewhere, it does not wait.
    await c.ask('launch', { at: '1000' });
    expect(ended).toBe(true);
    await opened;
    expect(opening.underWay).toBe(false);
    expect(scenes.target.instant.instructions).toBe(1000);
    c.end();
    await c.done;
  });

  it('pauses, and lets the client vanish', async () => {
    const c = await start();
    await c.move('configurationDone', {});
    c.send('continue', { threadId: 1 });
    c.send('pause', { threadId: 1 });
    await c.event('stopped');
    c.send('reverseContinue', { threadId: 1 });
    c.end();
    await c.done;
    const next = await start();
    next.raw(new TextEncoder().encode('rubbish\r\n\r\n'));
    await next.done;
  });
});
