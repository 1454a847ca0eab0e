import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExecOutput, StdinEncoder } from '../../src/guest/exec-stream.ts';

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** Feeds bytes in pieces whose lengths come from `cuts`. */
function feed(output: ExecOutput, bytes: Uint8Array, cuts: readonly number[]): Buffer {
  const parts: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = cuts.length === 0 ? bytes.length : cuts[i % cuts.length]!;
    parts.push(output.push(bytes.subarray(at, at + length)));
    at += length;
  }
  parts.push(output.flush());
  return Buffer.concat(parts);
}

/** The guest terminal's canonical mode with eof ^D and lnext ^V, and a reader that takes all it gets until a read of 0 bytes. */
function terminal(typed: Uint8Array): { read: Uint8Array; ended: boolean } {
  const read: number[] = [];
  let line: number[] = [];
  let literal = false;
  for (const byte of typed) {
    if (literal) {
      line.push(byte);
      literal = false;
    } else if (byte === 0x16) literal = true;
    else if (byte === 4) {
      if (line.length === 0) return { read: Uint8Array.from(read), ended: true };
      read.push(...line);
      line = [];
    } else {
      line.push(byte);
      if (byte === 10) {
        read.push(...line);
        line = [];
      }
    }
    if (line.length > 4095) throw new Error('the terminal would drop bytes');
  }
  return { read: Uint8Array.from(read), ended: false };
}

describe('output of an exec', () => {
  it('is the bytes between the markers, however they arrive', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 }),
        fc.nat(255),
        (payload, cuts, status) => {
          const output = new ExecOutput('t1');
          const stream = Buffer.concat([
            latin1('kernel noise\x1e\n\x1ehindsight:t1 begin\n'),
            payload,
            latin1(`\x1ehindsight:t1 end ${status}\n[  1.0] reboot\r\n`),
          ]);
          expect(feed(output, stream, cuts).equals(payload)).toBe(true);
          expect(output.status).toBe(status);
        },
      ),
      { seed: 7 },
    );
  });

  it('is not ended by what looks like a marker of another run', () => {
    const output = new ExecOutput('mine');
    const payload = '\x1ehindsight:other end 0\n\x1ehindsight:mine end x\n\x1ehindsight:mine begin\n\x1e\x1e';
    expect(feed(output, latin1(`\x1ehindsight:mine begin\n${payload}`), [3]).toString('latin1')).toBe(payload);
    expect(output.status).toBeUndefined();
    expect(output.begun).toBe(true);
  });
});

describe('input of an exec', () => {
  it('reaches the command as it is, and then ends', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 5000 }),
      fc.array(fc.constantFrom(4, 0x16, 0, 10, 13, 3, 17), { maxLength: 50 }).map((a) => Uint8Array.from(a)),
    );
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 4 }), (chunks) => {
        const encoder = new StdinEncoder();
        const typed = Buffer.concat([...chunks.map((c) => encoder.encode(c)), encoder.end()]);
        const { read, ended } = terminal(typed);
        expect(Buffer.from(read).equals(Buffer.concat(chunks))).toBe(true);
        expect(ended).toBe(true);
      }),
      { seed: 11 },
    );
  });

  it('can be handed over before a line is complete', () => {
    const encoder = new StdinEncoder();
    expect(terminal(Buffer.concat([encoder.encode(latin1('prompt? ')), encoder.flush(), encoder.flush()]))).toEqual({
      read: new Uint8Array(latin1('prompt? ')),
      ended: false,
    });
  });
});
