import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HART_STATE, handleSbiCall, SBI_ERROR, SBI_EXTENSION } from '../../src/firmware/index.ts';
import { RAM_BASE } from '../../src/machine/board/memory-map.ts';
import { call, FakeHost } from './fake-host.ts';

const { base, time, ipi, rfence, hsm, srst, dbcn } = SBI_EXTENSION;
const MAX = 0xffff_ffff_ffff_ffffn;

describe('calling convention', () => {
  it('answers unknown and legacy extensions with -2', () => {
    const host = new FakeHost();
    // Legacy 0 to 8, PMU, SUSP, CPPC, NACL, STA, and ids whose upper half is set.
    for (const eid of [
      0n,
      1n,
      2n,
      3n,
      4n,
      5n,
      6n,
      7n,
      8n,
      0x504d55n,
      0x53555350n,
      0x43505043n,
      0x4e41434cn,
      0x535441n,
      base + (1n << 32n),
      MAX,
    ]) {
      expect(call(host, 0, eid, 0), eid.toString(16)).toEqual({ error: -2, value: 0n });
    }
    expect(host.log).toEqual([]);
  });

  it.each(Object.entries(SBI_EXTENSION))('answers an unknown function of %s with -2', (_name, eid) => {
    const host = new FakeHost();
    expect(call(host, 0, eid, 7)).toEqual({ error: -2, value: 0n });
    expect(host.log).toEqual([]);
  });

  it('changes no register but a0 and a1, on no hart but the caller', () => {
    const host = new FakeHost(2);
    host.registers[1]!.fill(7n);
    call(host, 0, base, 0, 1, 2, 3, 4, 5, 6);
    const expected = new BigUint64Array(32).fill(0x5a5an);
    expected.set([0n, 0x0200_0000n, 3n, 4n, 5n, 6n, 0n, base], 10);
    expect(host.registers[0]).toEqual(expected);
    expect(host.registers[1]).toEqual(new BigUint64Array(32).fill(7n));
  });
});

describe('base', () => {
  it('is version 2.0 of an implementation with its own id', () => {
    const host = new FakeHost();
    expect(call(host, 0, base, 0)).toEqual({ error: 0, value: 0x0200_0000n });
    expect(call(host, 0, base, 1).value).toBeGreaterThan(0xffn);
    expect(call(host, 0, base, 2).error).toBe(0);
    for (const fid of [4, 5, 6]) expect(call(host, 0, base, fid)).toEqual({ error: 0, value: 0n });
  });

  it('probes what is there and what is not', () => {
    const host = new FakeHost();
    for (const eid of Object.values(SBI_EXTENSION))
      expect(call(host, 0, base, 3, eid)).toEqual({ error: 0, value: 1n });
    for (const eid of [0n, 1n, 0x504d55n, 0x535441n, MAX])
      expect(call(host, 0, base, 3, eid)).toEqual({ error: 0, value: 0n });
  });
});

describe('time', () => {
  it('passes the deadline on whole', () => {
    const host = new FakeHost();
    expect(call(host, 2, time, 0, MAX)).toEqual({ error: 0, value: 0n });
    expect(host.log).toEqual([['setTimer', 2, MAX]]);
  });
});

describe('ipi', () => {
  const started = (): FakeHost => {
    const host = new FakeHost();
    host.states.fill(HART_STATE.started);
    return host;
  };

  it('interrupts the harts of the mask, counted from its base', () => {
    const host = started();
    expect(call(host, 0, ipi, 0, 0b101, 1)).toEqual({ error: 0, value: 0n });
    expect(host.log).toEqual([
      ['setSoftware', 1, true],
      ['setSoftware', 3, true],
    ]);
  });

  it('takes base -1 for all, whatever the mask', () => {
    const host = started();
    expect(call(host, 0, ipi, 0, 0, -1).error).toBe(0);
    expect(host.log.map((entry) => entry[1])).toEqual([0, 1, 2, 3]);
  });

  it('passes stopped harts over and wakes suspended ones', () => {
    const host = new FakeHost();
    host.states[2] = HART_STATE.suspended;
    expect(call(host, 0, ipi, 0, 0b1111, 0).error).toBe(0);
    expect(host.log.map((entry) => entry[1])).toEqual([0, 2]);
  });

  it.each([
    [0b10000n, 0n],
    [1n << 63n, 0n],
    [0b1000n, 1n],
    [1n, 4n],
    [0n, 4n],
    [1n, MAX - 1n],
    [1n, 1n << 63n],
  ])('refuses mask %x at base %x with -3 and interrupts nobody', (mask, at) => {
    const host = started();
    expect(call(host, 0, ipi, 0, mask, at)).toEqual({ error: -3, value: 0n });
    expect(call(host, 0, rfence, 1, mask, at, 0, 0)).toEqual({ error: -3, value: 0n });
    expect(host.log).toEqual([]);
  });
});

describe('rfence', () => {
  it('succeeds for supervisors and has nothing to do', () => {
    const host = new FakeHost();
    for (const fid of [0, 1, 2])
      expect(call(host, 0, rfence, fid, 0b11, 0, 0x1000, MAX, 5)).toEqual({ error: 0, value: 0n });
    expect(host.log).toEqual([]);
  });

  it('has no hypervisor fences', () => {
    const host = new FakeHost();
    for (const fid of [3, 4, 5, 6]) expect(call(host, 0, rfence, fid, 1, 0, 0, 0).error).toBe(-2);
  });
});

describe('hsm', () => {
  it('starts a stopped hart and says so', () => {
    const host = new FakeHost();
    expect(call(host, 0, hsm, 2, 3)).toEqual({ error: 0, value: 1n });
    expect(call(host, 0, hsm, 0, 3, RAM_BASE + 0x1000, MAX)).toEqual({ error: 0, value: 0n });
    expect(host.log).toEqual([['startHart', 3, RAM_BASE + 0x1000, MAX]]);
    expect(call(host, 0, hsm, 2, 3)).toEqual({ error: 0, value: 0n });
  });

  it('does not start what runs (-6), does not exist (-3) or would run nowhere (-5)', () => {
    const host = new FakeHost();
    expect(call(host, 0, hsm, 0, 0, RAM_BASE, 0).error).toBe(-6);
    host.states[1] = HART_STATE.suspended;
    expect(call(host, 0, hsm, 0, 1, RAM_BASE, 0).error).toBe(-6);
    for (const hart of [4n, MAX, 1n << 32n]) expect(call(host, 0, hsm, 0, hart, RAM_BASE, 0).error).toBe(-3);
    const end = BigInt(RAM_BASE + host.ram.size);
    for (const address of [
      0n,
      BigInt(RAM_BASE) - 2n,
      BigInt(RAM_BASE) + 1n,
      end,
      end - 1n,
      MAX,
      MAX - 1n,
      BigInt(RAM_BASE) + (1n << 40n),
    ]) {
      expect(call(host, 0, hsm, 0, 2, address, 0), address.toString(16)).toEqual({ error: -5, value: 0n });
    }
    expect(host.log).toEqual([]);
  });

  it('asks for the state of harts that exist', () => {
    const host = new FakeHost();
    host.states[1] = HART_STATE.suspended;
    expect(call(host, 0, hsm, 2, 1)).toEqual({ error: 0, value: 4n });
    for (const hart of [4n, MAX]) expect(call(host, 0, hsm, 2, hart)).toEqual({ error: -3, value: 0n });
  });

  it('stops the caller and gives nothing back', () => {
    const host = new FakeHost();
    expect(call(host, 1, hsm, 1)).toEqual({ error: 0x5a5a, value: 0x5a5an });
    expect(host.log).toEqual([['stopHart', 1]]);
  });

  it('suspends and comes back with success', () => {
    const host = new FakeHost();
    expect(call(host, 1, hsm, 3, 0, 1, 2)).toEqual({ error: 0, value: 0n });
    expect(host.log).toEqual([['suspendHart', 1, undefined]]);
  });

  it.each([0x8000_0000n, 0xffff_ffff_8000_0000n])('suspends to a new beginning (%x)', (type) => {
    const host = new FakeHost();
    expect(call(host, 1, hsm, 3, type, RAM_BASE + 4, 9)).toEqual({
      error: Number(BigInt.asIntN(64, type)),
      value: BigInt(RAM_BASE + 4),
    });
    expect(host.log).toEqual([['suspendHart', 1, { address: RAM_BASE + 4, opaque: 9n }]]);
  });

  it('refuses reserved and platform suspend types (-3) and resuming outside RAM (-5)', () => {
    const host = new FakeHost();
    for (const type of [1, 0x0fff_ffff, 0x1000_0000, 0x7fff_ffff, 0x8000_0001, 0x9000_0000, 0xffff_ffff]) {
      expect(call(host, 0, hsm, 3, type, RAM_BASE, 0), type.toString(16)).toEqual({ error: -3, value: 0n });
    }
    expect(call(host, 0, hsm, 3, 0x8000_0000, 0x1000, 0)).toEqual({ error: -5, value: 0n });
    expect(host.log).toEqual([]);
  });
});

describe('srst', () => {
  it.each([0, 1, 2])('resets with type %d for both reasons', (kind) => {
    const host = new FakeHost();
    for (const reason of [0, 1]) call(host, 0, srst, 0, kind, reason);
    expect(host.log).toEqual([
      ['reset', kind, 0],
      ['reset', kind, 1],
    ]);
  });

  it('refuses reserved and vendor types and reasons', () => {
    const host = new FakeHost();
    for (const kind of [3, 0xefff_ffff, 0xf000_0000, 0xffff_ffff])
      expect(call(host, 0, srst, 0, kind, 0)).toEqual({ error: -3, value: 0n });
    for (const reason of [2, 0xdfff_ffff, 0xe000_0000, 0xffff_ffff])
      expect(call(host, 0, srst, 0, 0, reason)).toEqual({ error: -3, value: 0n });
    expect(host.log).toEqual([]);
  });
});

describe('dbcn', () => {
  it('writes memory to the console', () => {
    const host = new FakeHost();
    host.ram.write(RAM_BASE + 0x100, new TextEncoder().encode('hello'));
    expect(call(host, 0, dbcn, 0, 5, RAM_BASE + 0x100, 0)).toEqual({ error: 0, value: 5n });
    expect(host.log).toEqual([['consoleWrite', 'hello']]);
  });

  it('writes at most one chunk, and says how much', () => {
    const host = new FakeHost();
    expect(call(host, 0, dbcn, 0, host.ram.size, RAM_BASE, 0)).toEqual({ error: 0, value: 65536n });
  });

  it('reads what there is, and leaves memory behind it alone', () => {
    const host = new FakeHost();
    host.ram.fill(RAM_BASE, 8, 0xee);
    host.input = new TextEncoder().encode('abc');
    expect(call(host, 0, dbcn, 1, 2, RAM_BASE, 0)).toEqual({ error: 0, value: 2n });
    expect(call(host, 0, dbcn, 1, 4, RAM_BASE + 2, 0)).toEqual({ error: 0, value: 1n });
    expect(call(host, 0, dbcn, 1, 4, RAM_BASE + 3, 0)).toEqual({ error: 0, value: 0n });
    expect(Array.from(host.ram.read(RAM_BASE, 5))).toEqual([0x61, 0x62, 0x63, 0xee, 0xee]);
  });

  it('moves nothing when asked for no bytes', () => {
    const host = new FakeHost();
    host.input = Uint8Array.of(1);
    for (const fid of [0, 1]) expect(call(host, 0, dbcn, fid, 0, RAM_BASE, 0)).toEqual({ error: 0, value: 0n });
    expect(host.log).toEqual([]);
    expect(host.input.length).toBe(1);
  });

  it('writes one byte, of which only eight bits count', () => {
    const host = new FakeHost();
    expect(call(host, 0, dbcn, 2, 0x1241)).toEqual({ error: 0, value: 0n });
    expect(host.log).toEqual([['consoleWrite', 'A']]);
  });

  it('refuses memory that is not all RAM, and takes no input for it', () => {
    const host = new FakeHost();
    host.input = Uint8Array.of(1, 2, 3);
    const end = BigInt(RAM_BASE + host.ram.size);
    const wild: [bigint, bigint, bigint][] = [
      [1n, 0n, 0n],
      [1n, end, 0n],
      [2n, end - 1n, 0n],
      [MAX, BigInt(RAM_BASE), 0n],
      [1n, MAX, 0n],
      [1n, BigInt(RAM_BASE), 1n],
    ];
    for (const [count, low, high] of wild) {
      for (const fid of [0, 1]) expect(call(host, 0, dbcn, fid, count, low, high)).toEqual({ error: -3, value: 0n });
    }
    expect(host.log).toEqual([]);
    expect(host.input.length).toBe(3);
  });
});

describe('any registers at all', () => {
  const word = fc.oneof(
    fc.bigInt({ min: 0n, max: MAX }),
    fc.constantFrom(
      0n,
      1n,
      2n,
      MAX,
      1n << 63n,
      0x8000_0000n,
      BigInt(RAM_BASE),
      BigInt(RAM_BASE) + 0xffffn,
      BigInt(RAM_BASE) - 1n,
    ),
    fc.bigInt({ min: 0n, max: 8n }),
  );
  const eid = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...Object.values(SBI_EXTENSION)) },
    { weight: 1, arbitrary: word },
  );

  it('never throw and give back a standard error', () => {
    const errors = new Set<number>(Object.values(SBI_ERROR));
    fc.assert(
      fc.property(fc.array(word, { minLength: 6, maxLength: 6 }), word, eid, (args, fid, extension) => {
        const host = new FakeHost(3, 1 << 16);
        host.input = Uint8Array.of(1, 2, 3);
        const registers = host.registers[1]!;
        args.forEach((v, i) => (registers[10 + i] = v));
        registers[16] = fid;
        registers[17] = extension;
        const before = registers.slice();
        handleSbiCall(host, 1);
        const left = ['stopHart', 'suspendHart', 'reset'].includes(host.log.at(-1)?.[0] as string);
        if (!left) expect(errors).toContain(Number(BigInt.asIntN(64, registers[10]!)));
        registers.set(before.subarray(10, 12), 10);
        expect(registers).toEqual(before);
      }),
      { seed: 20, numRuns: 3000 },
    );
  });
});
