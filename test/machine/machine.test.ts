import { describe, expect, it } from 'vitest';
import { ConfigError, parseIsa, parseMemory } from '../../src/machine/board/config.ts';
import { CORES, coreFactory } from '../../src/machine/engine/cores.ts';
import { Engine } from '../../src/machine/engine/engine.ts';
import type { HostRoom } from '../../src/machine/session/host-room.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { LiveDoor } from '../../src/record/live-door.ts';
import { fixedSources } from '../../src/record/sources.ts';
import { Assembler } from '../jit/assembler.ts';
import { room, tinyEngine, tinyHardware, tinyMachine, tinyOptions } from './fixtures.ts';
import { TINY } from './tiny-guest.ts';

describe('the machine', () => {
  it.each([1, 3])('is equal on every core, at every stop, with %i harts', async (harts) => {
    const engines = await Promise.all(CORES.map((core) => tinyEngine({ harts }, undefined, core)));
    const ends = [1, 2, 3, 77, 1000, 5001, 20_000, 20_001, 100_000, 300_000];
    for (const instructions of ends) {
      const hashes = engines.map((engine) => {
        engine.run({ instructions });
        return stateHash(engine);
      });
      expect(new Set(hashes).size, `at ${instructions}`).toBe(1);
    }
  });

  it('does not depend on where it was stopped', async () => {
    const [one, other] = [await tinyEngine({ harts: 2 }), await tinyEngine({ harts: 2 })];
    one.run({ instructions: 200_000 });
    for (let at = 0; at < 200_000; at += 1 + ((at * 7919) % 997)) other.run({ instructions: at });
    other.run({ instructions: 200_000 });
    expect(stateHash(other)).toBe(stateHash(one));
  });

  it('changes its core between any two instructions', async () => {
    const [one, other] = [await tinyEngine({ harts: 2 }), await tinyEngine({ harts: 2 })];
    one.run({ instructions: 60_000 });
    for (let i = 1; i <= 60; i++) {
      other.changeCore(coreFactory(CORES[i % 3]));
      other.run({ instructions: i * 1000 });
    }
    expect(stateHash(other)).toBe(stateHash(one));
  });

  it('makes each boundary step an instant of its own', async () => {
    const engine = await tinyEngine({ harts: 2 });
    const again = await tinyEngine({ harts: 2 });
    let stepped = 0;
    for (let at = 0; at < 40_000; at += 13) {
      engine.run({ instructions: at });
      for (let sequence = 1; sequence < 4; sequence++) {
        engine.run({ instructions: at, sequence });
        if (engine.instant.sequence !== sequence) break;
        stepped++;
      }
    }
    engine.run({ instructions: 50_000 });
    again.run({ instructions: 50_000 });
    expect(stepped).toBeGreaterThan(100);
    expect(stateHash(engine)).toBe(stateHash(again));
  });

  it('skips idle time and counts it as guest time only', async () => {
    const engine = await tinyEngine();
    engine.run({ instructions: 100_000 });
    expect(engine.instructions).toBe(100_000);
    expect(engine.time).toBeGreaterThan(200_000);
    expect(engine.ram.readU64(TINY.ticks)).toBeGreaterThan(10n);
  });

  it('stops by guest time before skipping beyond it', async () => {
    const engine = await tinyEngine();
    for (let time = 0; time < 300_000; time += 1111) {
      engine.run({ instructions: Infinity, time });
      expect(engine.time).toBeLessThanOrEqual(time);
    }
  });

  it('meets debug points without a trace', async () => {
    const [plain, watched] = [await tinyEngine({ harts: 2 }), await tinyEngine({ harts: 2 })];
    plain.run({ instructions: 50_000 });
    watched.setDebugPoints([{ kind: 4, start: BigInt(TINY.racy), end: BigInt(TINY.racy) + 8n }]);
    let hits = 0;
    while (watched.instructions < 50_000) {
      if (watched.run({ instructions: 50_000 }) !== 'debug') continue;
      expect(watched.debugHit.address).toBe(BigInt(TINY.racy));
      hits++;
      watched.skipDebugPoint(true);
    }
    watched.setDebugPoints([]);
    watched.skipDebugPoint(false);
    expect(hits).toBeGreaterThan(100);
    expect(stateHash(watched)).toBe(stateHash(plain));
  });

  it.each(CORES)('meets points within a run at the instants at which runs end there (%s)', async (core) => {
    const engines = await Promise.all([0, 1, 2].map(() => tinyEngine({ harts: 2 }, undefined, core)));
    const [plain, ending, asking] = engines;
    const places = new Set<bigint>();
    for (let at = 0; at < 30_000; at += 61) {
      plain.run({ instructions: at });
      for (const hart of plain.harts) for (const name of ['pc', 'mtvec', 'stvec'] as const) places.add(hart.get(name));
    }
    plain.run({ instructions: 50_000 });
    const points = [...places].map((start) => ({ kind: 1, start, end: start + 1n }));
    const met: string[][] = [[], []];
    const note = (to: string[], engine: Engine, index: number): void => {
      const { instructions, sequence } = engine.instant;
      const hart = engine.harts[engine.currentHart];
      to.push(`${instructions}:${sequence} ${engine.time} ${engine.currentHart} ${hart.get('pc')} ${index}`);
    };
    ending.setDebugPoints(points);
    while (ending.run({ instructions: 50_000 }) === 'debug') {
      note(met[0], ending, ending.debugHit.index);
      ending.skipDebugPoint(true);
    }
    let looks = 0;
    asking.setDebugPoints(points, (index) => {
      note(met[1], asking, index);
      // Some runs end all the same.
      return ++looks % 100 !== 0;
    });
    for (;;) {
      const before = looks;
      if (asking.run({ instructions: 50_000 }) !== 'debug') break;
      // A core may leave it to whoever runs the machine.
      if (looks === before) note(met[1], asking, asking.debugHit.index);
      asking.skipDebugPoint(true);
    }
    expect(met[1]).toEqual(met[0]);
    expect(met[0].length).toBeGreaterThan(1000);
    expect(met[0].filter((text) => !/^\d+:0 /.test(text)).length).toBeGreaterThan(10);
    expect(looks > 0).toBe(core !== 'ts');
    expect(engines.map(stateHash)).toEqual(Array(3).fill(stateHash(plain)));
  });
});

describe('misa', () => {
  /** Firmware that keeps what it reads of misa, and waits. */
  const firmware = (): Uint8Array => {
    const a = new Assembler();
    a.op('csrrs', { rd: 10, rs1: 0, imm: 0x301 });
    a.op('wfi');
    return a.finish();
  };
  const B = 1n << 1n;

  it.each(CORES)('shows B where Zba, Zbb and Zbs are all there (%s)', async (core) => {
    const read = async (isa: string): Promise<bigint> => {
      const options = { firmware: { file: 'misa', bytes: firmware() }, memory: '4M', isa, core };
      await using vm = await Machine.create(options, room);
      vm.internals.engine.run({ instructions: 2 });
      return vm.internals.engine.harts[0].get('x', 10);
    };
    expect(await read('max')).toBe(0x8000_0000_0014_112fn);
    expect(await read('rv64gc,b')).toBe(0x8000_0000_0014_112fn);
    for (const isa of ['rv64gc', 'rv64gc,zba,zbb', 'max,-zbs', 'max,-b']) expect((await read(isa)) & B, isa).toBe(0n);
  });

  it('is without B in recordings made before it was shown', async () => {
    const hardware = await tinyHardware();
    const isa = hardware.config.isa.filter((extension) => extension !== 'b');
    const engine = new Engine({
      ...hardware,
      config: { ...hardware.config, isa },
      door: new LiveDoor(fixedSources(0)),
      core: coreFactory('wasm'),
      output: () => undefined,
    });
    expect(isa).toContain('zbs');
    expect(engine.harts[0].get('misa') & B).toBe(0n);
  });
});

describe('the library', () => {
  it('talks to the console and ends with the guest', async () => {
    await using vm = await tinyMachine();
    vm.write('hello q');
    let text = '';
    for await (const chunk of vm.console) text += new TextDecoder().decode(chunk);
    expect(text).toBe('hello q');
    expect(vm.halt).toEqual({ kind: 'poweroff', status: 0 });
  });

  it('takes a long paste through a small FIFO', async () => {
    await using vm = await tinyMachine();
    const paste = 'abcefghijklmnop'.repeat(200);
    vm.write(paste);
    vm.write('q');
    let text = '';
    vm.on('console', (bytes) => (text += new TextDecoder().decode(bytes)));
    const result = await vm.run({ instructions: 50e6 });
    expect(result.reason).toBe('halt');
    expect(text).toBe(`${paste}q`);
  });

  it('pauses, by itself or by a signal, and goes on', async () => {
    await using vm = await tinyMachine();
    const run = vm.run();
    await new Promise((resolve) => setTimeout(resolve, 30));
    await vm.pause();
    expect((await run).reason).toBe('paused');
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 30);
    expect((await vm.run({ signal: stop.signal })).reason).toBe('paused');
    const { instructions } = vm.instant;
    expect((await vm.run({ instructions: instructions + 1000 })).instant.instructions).toBe(instructions + 1000);
    expect((await vm.run({ guestTime: vm.guestTime + 0.01 })).reason).toBe('limit');
  });

  it('reboots from inside and outside', async () => {
    await using vm = await tinyMachine();
    await vm.run({ instructions: 10_000 });
    vm.write('r');
    await vm.run({ instructions: 200_000 });
    const count = vm.internals.engine.ram.readU64(TINY.atomic);
    expect(count).toBeLessThan(12_000n);
    vm.reset();
    await vm.run({ instructions: 200_100 });
    expect(vm.internals.engine.ram.readU64(TINY.atomic)).toBeLessThan(10n);
    vm.powerOff();
    expect((await vm.run()).reason).toBe('halt');
  });

  it('keeps guest time with the wall clock when asked to', async () => {
    let time = 0;
    const onlyWaits: HostRoom = {
      ...room,
      now: () => time,
      after(milliseconds, wake) {
        time += Math.max(1, Math.ceil(milliseconds));
        const timer = setImmediate(wake);
        return () => clearImmediate(timer);
      },
    };
    await using vm = await Machine.create(tinyOptions({ clock: 'host' }), onlyWaits);
    await vm.run({ guestTime: 0.2 });
    expect(vm.guestTime).toBeGreaterThan(0.19);
    expect(time / 1000).toBeCloseTo(vm.guestTime, 1);
  });

  it('gives equal machines equal hashes, run after run', async () => {
    const hash = async (seed: number): Promise<string> => {
      await using vm = await tinyMachine({ seed, harts: 2 });
      await vm.run({ instructions: 150_000 });
      return vm.hash();
    };
    expect(await hash(1)).toBe(await hash(1));
    expect(await hash(1)).not.toBe(await hash(2));
  });
});

describe('what cannot be', () => {
  it('names the option', async () => {
    expect(() => parseMemory('12')).toThrow(/impossible/);
    expect(() => parseMemory('lots')).toThrow(/256M/);
    expect(parseMemory('1.5G')).toBe(1.5 * 2 ** 30);
    expect(() => parseIsa('rv64gc,zfoo')).toThrow(/zfoo/);
    expect(() => parseIsa('rv64gc,-f')).toThrow(/"d", which needs "f"/);
    expect(parseIsa('rv64gc')).not.toContain('sstc');
    await expect(Machine.create(tinyOptions({ harts: 9 }), room)).rejects.toThrow(/1 to 8/);
    await expect(Machine.create({}, room)).rejects.toThrow(ConfigError);
  });
});
