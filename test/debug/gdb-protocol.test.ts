import { connect } from 'node:net';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../src/bytes/hex.ts';
import { agentCondition } from '../../src/debug/gdb/agent.ts';
import { encodePacket, latin1, PACKET_SIZE, PacketReader } from '../../src/debug/gdb/packets.ts';
import { registerByNumber, targetXml } from '../../src/debug/gdb/registers.ts';
import type { MachineView } from '../../src/machine/view/machine-view.ts';
import { RawClient } from './gdb-client.ts';
import { buildProgram, GCC, have } from './programs.ts';
import { type Scene, scene, served } from './scene.ts';

describe('packets', () => {
  it('carries any bytes, however they are cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 20 }), (data, cut) => {
        const wire = encodePacket(data);
        const reader = new PacketReader();
        const items = [];
        for (let at = 0; at < wire.length; at += cut) items.push(...reader.push(wire.subarray(at, at + cut)));
        expect(items).toEqual([{ kind: 'packet', data }]);
      }),
      { seed: 7 },
    );
  });

  it('tells bad checksums, oversized packets and interrupts apart', () => {
    const reader = new PacketReader();
    expect(reader.push(latin1('+-\x03$m0,4#00')).map((i) => i.kind)).toEqual(['ack', 'nak', 'interrupt', 'bad']);
    expect(reader.push(encodePacket(new Uint8Array(PACKET_SIZE + 1).fill(65))).map((i) => i.kind)).toEqual([
      'oversized',
    ]);
    expect(reader.push(encodePacket('g')).map((i) => i.kind)).toEqual(['packet']);
  });

  it('reads and writes hexadecimal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (b) => {
        expect(fromHex(toHex(b))).toEqual(b);
      }),
      { seed: 7 },
    );
    expect(fromHex('0')).toBeUndefined();
    expect(fromHex('zz')).toBeUndefined();
  });
});

describe('conditions in bytecode', () => {
  const memory = Uint8Array.of(0xfe, 0xff, 1, 2, 3, 4, 5, 6);
  const view = {
    harts: 1,
    readRegister: (_: number, id: { kind: string }) => (id.kind === 'prv' ? 3n : 0n),
    readPhysical: (a: bigint, n: number) =>
      a >= 16n && a < 24n ? memory.slice(Number(a) - 16, Number(a) - 16 + n) : new Uint8Array(0),
  } as unknown as MachineView;
  const run = (...code: number[]): boolean =>
    agentCondition(Uint8Array.from(code), (_, __, n) => (n === 10 ? 42n : undefined))(view, 0);

  it('computes', () => {
    expect(run(0x22, 7, 0x22, 7, 0x13, 0x27)).toBe(true); // 7 == 7
    expect(run(0x22, 8, 0x22, 7, 0x13, 0x27)).toBe(false);
    expect(run(0x26, 0, 10, 0x22, 42, 0x03, 0x27)).toBe(false); // register 10 − 42
    expect(run(0x22, 16, 0x18, 0x16, 16, 0x22, 0, 0x14, 0x27)).toBe(true); // (short) memory < 0
    expect(run(0x22, 16, 0x18, 0x22, 0, 0x14, 0x27)).toBe(false); // unsigned short
    expect(run(0x22, 1, 0x20, 0, 7, 0x22, 0, 0x22, 1, 0x27)).toBe(true); // jump over
    expect(run(0x22, 5, 0x22, 2, 0x05, 0x22, 2, 0x13, 0x27)).toBe(true); // 5 / 2 == 2
  });

  it('is true when it fails: nothing is missed', () => {
    expect(run(0x22, 0x99, 0x17, 0x27)).toBe(true); // memory that is not there
    expect(run(0x22, 0, 0x22, 0, 0x05, 0x27)).toBe(true); // division by zero
    expect(run(0x21, 0, 0)).toBe(true); // endless
    expect(run(0x02)).toBe(true); // empty stack
    expect(run(0x26, 0, 99, 0x27)).toBe(true); // no such register
  });

  it('survives any code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (code) => {
        expect(typeof run(...code)).toBe('boolean');
      }),
      { seed: 7, numRuns: 2000 },
    );
  });
});

describe('the description', () => {
  it('numbers every register once, as they are read', () => {
    const numbers = [...targetXml().matchAll(/regnum="(\d+)"/g)].map((m) => Number(m[1]));
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const n of numbers) expect(registerByNumber(n), `register ${n}`).toBeDefined();
  });
});

describe.runIf(have(GCC))('a server under hostile clients', () => {
  let scenes: Scene;
  beforeAll(() => {
    scenes = scene(buildProgram('int main(void) { for (volatile long i = 0; i < 1000; i++); return 0; }'));
  }, 60_000);

  it('answers malformed packets with errors and stays', async () => {
    await scenes.target.mover.seek(100);
    await served(scenes, async ({ port }) => {
      const c = await RawClient.connect(port);
      const bad = [
        'm',
        'mzz,4',
        'm0',
        'm0,ffffffff',
        'mffffffffffffffff,10',
        'M0,4:00',
        'X0,4:a',
        'pzz',
        'p',
        'Pzz=00',
        'P0=1',
        'Z0',
        'Z0,,',
        'Z9,0,0',
        'Z2,0,ffffffff;X2,27',
        'Z0,80000000,4;Xff,00',
        'z0',
        'Hg99',
        'Hq1',
        'T99',
        'T',
        'vCont;x',
        'vCont;s:99',
        'vCont',
        'vMustReplyEmpty',
        'qXfer:features:read:nope:0,10',
        'qXfer:features:read:target.xml:ffffff,ff',
        'qXfer:bogus',
        'qRcmd,zz',
        'G00',
        'Gzz',
        'QBogus',
        '!',
        'R00',
        'A',
        'F0',
        'i',
        '\x80\xff',
        '',
      ];
      for (const b of bad) expect(await c.ask(b), JSON.stringify(b)).not.toBe('closed');
      expect(await c.monitor('')).toContain('who-wrote');
      expect(await c.monitor('bogus')).toContain('no command');
      expect(await c.ask('p20')).toMatch(/^[0-9a-f]{16}$/);
      c.write(encodePacket(new Uint8Array(PACKET_SIZE * 2).fill(0x61)));
      expect(await c.receive()).toMatch(/^E/);
      expect(await c.ask('m80000000,4')).toMatch(/^[0-9a-f]{8}$/);
      c.destroy();
    });
  });

  it('survives random bytes', async () => {
    await served(scenes, async ({ port }) => {
      let seed = 1;
      const noise = Uint8Array.from({ length: 20_000 }, () => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        const c = (seed >>> 16) & 0xff;
        return c % 11 === 0 ? 0x24 : c % 13 === 0 ? 0x23 : c;
      });
      const c = await RawClient.connect(port);
      c.write(noise);
      await new Promise((resolve) => setTimeout(resolve, 50));
      c.destroy();
      const next = await RawClient.connect(port);
      expect(await next.ask('?')).toMatch(/^T/);
      next.destroy();
    });
  });

  it('lets clients vanish in the middle of anything', async () => {
    await served(scenes, async ({ port }) => {
      for (const words of [
        '$',
        '$m800',
        '$c#63',
        '$bc#c5',
        '$qSupported#37',
        '$vCont;c#a8',
        '\x03\x03',
        '$g#67$g#67$g#67',
      ]) {
        await new Promise<void>((resolve) => {
          const s = connect(port, '127.0.0.1', () => s.write(words, () => s.destroy()));
          s.on('close', () => resolve());
        });
      }
      const c = await RawClient.connect(port);
      expect(await c.ask('?')).toMatch(/^T/);
      c.destroy();
    });
  });

  it('ends half-open connections, also one that never said anything', async () => {
    await served(scenes, async ({ port }) => {
      for (const words of ['', '$m800', '$qSupported#37', '+$bc#c5']) {
        await new Promise<void>((resolve) => {
          const s = connect(port, '127.0.0.1', () => s.end(words));
          s.resume();
          s.on('close', () => resolve());
        });
      }
      const c = await RawClient.connect(port);
      expect(await c.ask('?')).toMatch(/^T/);
      c.destroy();
    });
  }, 20_000);

  it('lets a second debugger wait for the first, and a flood end', async () => {
    await served(scenes, async ({ port }) => {
      const first = await RawClient.connect(port);
      expect(await first.ask('?')).toMatch(/^T/);
      const second = await RawClient.connect(port);
      second.send('?');
      await new Promise((resolve) => setTimeout(resolve, 30));
      first.write('$bc#c5'.repeat(2000));
      expect(await second.receive()).toMatch(/^T/);
      first.destroy();
      second.destroy();
    });
  }, 20_000);

  it('listens on loopback only', async () => {
    await served(scenes, async ({ host }) => expect(host).toBe('127.0.0.1'));
  });
});
