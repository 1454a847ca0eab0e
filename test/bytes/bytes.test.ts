import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64, toBase64 } from '../../src/bytes/base64.ts';
import { fromHex, hexBytes, toHex } from '../../src/bytes/hex.ts';
import { ByteReader } from '../../src/bytes/reader.ts';
import { StateError, StateReader } from '../../src/bytes/state-stream.ts';
import { ByteWriter } from '../../src/bytes/writer.ts';

type Kind = 'u8' | 'u16' | 'u32' | 'f64' | 'varint' | 'zigzag';
const field = fc.oneof(
  fc.tuple(fc.constant<Kind>('u8'), fc.nat(0xff)),
  fc.tuple(fc.constant<Kind>('u16'), fc.nat(0xffff)),
  fc.tuple(fc.constant<Kind>('u32'), fc.nat(0xffff_ffff)),
  fc.tuple(fc.constant<Kind>('f64'), fc.double()),
  fc.tuple(fc.constant<Kind>('varint'), fc.maxSafeNat()),
  fc.tuple(fc.constant<Kind>('zigzag'), fc.integer({ min: -(2 ** 52) + 1, max: 2 ** 52 - 1 })),
);

describe('bytes', () => {
  it('are read as they were written, at any length', () => {
    fc.assert(
      fc.property(
        fc.array(field, { maxLength: 200 }),
        fc.uint8Array({ maxLength: 3000 }),
        fc.string(),
        (fields, b, s) => {
          const w = new ByteWriter(1);
          for (const [kind, value] of fields) w[kind](value);
          w.bytes(b);
          w.text(s);
          w.raw(b);
          const r = new ByteReader(w.take(), 'test');
          for (const [kind, value] of fields) expect(r[kind]()).toBe(value);
          expect(r.bytes()).toEqual(b);
          expect(r.text()).toBe(new TextDecoder().decode(new TextEncoder().encode(s)));
          expect(r.view(b.length)).toEqual(b);
          expect(r.remaining).toBe(0);
          expect(w.length).toBe(0);
        },
      ),
    );
  });

  it('past their end are an error with source and offset', () => {
    const three = Uint8Array.of(0x80, 0x80, 0x80);
    expect(() => new ByteReader(three, 'the file', 1).u32()).toThrow(
      /^the file ends at offset 3, expected 4 more bytes at 1$/,
    );
    expect(() => new ByteReader(three, 'the file').varint()).toThrow(RangeError);
    expect(() => new StateReader(three).u64()).toThrow(StateError);
    expect(() => new StateReader(new Uint8Array(9).fill(0xff)).varint()).toThrow(/too large|ends/);
    expect(() => new ByteWriter().varint(-1)).toThrow(/expected 0 to/);
    expect(() => new ByteWriter().varint(0.5)).toThrow(RangeError);
  });

  it('have text forms that agree with the host', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (b) => {
        expect(toHex(b)).toBe(Buffer.from(b).toString('hex'));
        expect(hexBytes(toHex(b).toUpperCase())).toEqual(b);
        expect(toBase64(b)).toBe(Buffer.from(b).toString('base64'));
        expect(fromBase64(toBase64(b))).toEqual(b);
        expect(fromBase64(toBase64(b).replace(/=+$/, ''))).toEqual(b);
      }),
    );
    for (const text of ['1', '0g', '+1', ' 1']) expect(fromHex(text)).toBeUndefined();
    for (const text of ['A', 'A*==', 'ä===']) expect(fromBase64(text)).toBeUndefined();
    expect(() => hexBytes('xx')).toThrow(/not hexadecimal/);
  });
});
