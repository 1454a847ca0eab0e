import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ByteSource, MemorySource } from '../../src/bytes/source.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { encodeChunk } from '../../src/record/chunk.ts';
import { EVENT, type HostEvent } from '../../src/record/door.ts';
import { CHUNK, FORMAT_VERSION, MACHINE_VERSION, MAGIC, RecordingError } from '../../src/record/format.ts';
import { packHeader } from '../../src/record/header.ts';
import { readRecording } from '../../src/record/reader.ts';
import { recordingHeader } from '../../src/record/recorder.ts';
import type { Recording } from '../../src/record/recording.ts';
import { RecordingWriter } from '../../src/record/writer.ts';
import { MemoryBackend } from '../../src/storage/index.ts';
import { LivePast } from '../../src/timeline/live.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { room, tinyHardware, tinyOptions } from '../machine/fixtures.ts';

const VERSION_2 = fileURLToPath(new URL('./fixtures/version-2.hsr', import.meta.url));
const VERSION_2_END = '6464ca5108b3b855';
const ID = '0123456789abcdef';

class Sink {
  private readonly pieces: Uint8Array[] = [];
  readonly write = (bytes: Uint8Array): void => void this.pieces.push(bytes.slice());
  get file(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.pieces));
  }
}

/** A recording with images and checkpoints, one of them of a future that was left. */
async function rich(disk?: Uint8Array): Promise<{ file: Uint8Array; hash: string }> {
  const sink = new Sink();
  const disks = disk && [{ file: 'disk', backend: new MemoryBackend(disk, 'd'.repeat(64)) }];
  const vm = await Machine.create(
    { ...tinyOptions({ hashEvery: 100_000 }), ...(disks && { disks }), embed: true, record: sink },
    room,
  );
  const past = new LivePast(vm, room, { spacing: 50_000, interval: 0, store: true });
  vm.write('hello');
  for (let at = 50_000; at <= 200_000; at += 50_000) await vm.run({ instructions: at });
  past.goBack();
  const timeline = past.timeline;
  await timeline.seek(120_000);
  past.resume();
  vm.write('d');
  await vm.run({ instructions: 300_000 });
  past.capture();
  const hash = vm.hash();
  await vm.close();
  return { file: sink.file, hash };
}

async function headerOf(): Promise<ReturnType<typeof recordingHeader>> {
  const { config } = await tinyHardware();
  return recordingHeader(config, ['plic', 'uart'], ID);
}

/** A file of nothing but a header. */
function onlyHeader(body: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([MAGIC, encodeChunk(CHUNK.HEADER, body, 0, true)]));
}

/** Counts what is read. */
class Counted implements ByteSource {
  readonly size: number;
  bytes = 0;
  private readonly source: ByteSource;

  constructor(bytes: Uint8Array) {
    this.source = new MemorySource(bytes);
    this.size = bytes.length;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    this.bytes += length;
    return this.source.read(offset, length);
  }
}

/** Reads all that a recording holds. */
async function readAll({ images, checkpoints }: Recording): Promise<void> {
  for (const image of images.values()) await image.read(0, image.size);
  for (const checkpoint of checkpoints) {
    const { pages, disks, fetch } = await checkpoint.read();
    const numbers = new Set([...pages.values(), ...disks.flat().map(({ number }) => number)]);
    numbers.delete(0);
    await fetch(numbers);
  }
}

describe('a recording of version 2', () => {
  it('opens from its checkpoints, replays and verifies', async () => {
    const file = readFileSync(VERSION_2);
    const recording = await readRecording(file);
    expect(recording).toMatchObject({ complete: true, header: { format: 2, machine: 1, id: /./ } });
    expect(recording.events).toHaveLength(21);
    expect(recording.hashes).toHaveLength(5);
    // The second of four was of a future that was left.
    expect(recording.checkpoints).toHaveLength(3);
    if (recording.header.machine !== MACHINE_VERSION) {
      await expect(openTimeline(file, {}, room)).rejects.toThrow(/of machine version 1; this program has version/);
      return;
    }
    const { timeline } = await openTimeline(file, {}, room, { core: 'wasm' });
    await timeline.seek(timeline.end);
    expect(timeline.hash()).toBe(VERSION_2_END);
    const plain = await openTimeline(file, {}, room, { core: 'wasm' });
    plain.timeline.checkpoints.forget({ instructions: 0, sequence: 0 });
    expect(await plain.timeline.verify()).toBe(5);
    expect(plain.timeline.hash()).toBe(VERSION_2_END);
    for (const { at } of recording.checkpoints) {
      await timeline.seek(at);
      await plain.timeline.seek(at);
      expect(timeline.hash()).toBe(plain.timeline.hash());
    }
  });

  it('broken off or damaged is good up to there', async () => {
    const file = readFileSync(VERSION_2);
    const whole = await readRecording(file);
    for (let at = 8; at < file.length; at += 997) {
      const flipped = file.slice();
      flipped[at] ^= 4;
      for (const bytes of [file.subarray(0, at), flipped]) {
        const part = await readRecording(bytes).catch((error: unknown) => error);
        if (part instanceof RecordingError) continue;
        const { events, complete, damage } = part as Recording;
        expect(complete).toBe(false);
        expect(damage).toMatch(/at offset \d+/);
        expect(events).toEqual(whole.events.slice(0, events.length));
      }
    }
  });
});

describe('versions and headers', () => {
  it('of other versions are refused by name', async () => {
    const header = await headerOf();
    const later = onlyHeader(packHeader({ ...header, format: FORMAT_VERSION + 1 }));
    await expect(readRecording(later)).rejects.toThrow(
      `the recording has format version ${FORMAT_VERSION + 1}; this program reads versions 2 and 3: use a newer release`,
    );
    const other = onlyHeader(packHeader({ ...header, machine: MACHINE_VERSION + 1 }));
    // What it holds can be looked at; it cannot be run.
    expect((await readRecording(other)).header.machine).toBe(MACHINE_VERSION + 1);
    await expect(openTimeline(other, {}, room)).rejects.toThrow(/machine version \d+; this program has version/);
  });

  it('that are malformed are errors that name the field', async () => {
    const good = JSON.parse(new TextDecoder().decode(packHeader(await headerOf()))) as Record<string, object>;
    const broken: readonly (readonly [unknown, RegExp])[] = [
      ['{"format":3,', /header is no JSON/],
      ['[]', /header is \[\], expected an object/],
      [{ ...good, format: 'x' }, /has "x" as format, expected a non-negative integer/],
      [{ ...good, id: 'me' }, /has "me" as id, expected 16 hexadecimal digits/],
      [{ ...good, ports: {} }, /as ports, expected a list/],
      [{ ...good, ports: [1] }, /has 1 as ports\[0\], expected text/],
      [{ ...good, parent: { id: ID } }, /has nothing as parent.at, expected an object/],
      [{ ...good, config: null }, /has null as config, expected an object/],
      [{ ...good, config: { ...good.config, memory: -1 } }, /has -1 as config.memory/],
      [{ ...good, config: { ...good.config, isa: ['i'] } }, /as config.isa, expected text/],
      [{ ...good, config: { ...good.config, mmu: 'sv32' } }, /has "sv32" as config.mmu, expected sv39/],
      [{ ...good, config: { ...good.config, kernel: { file: 1 } } }, /has 1 as config.kernel.file/],
      [{ ...good, config: { ...good.config, rotation: {} } }, /as config.rotation.seed/],
      [{ ...good, config: { ...good.config, rngSeed: 'xyz' } }, /has "xyz" as config.rngSeed/],
      [{ ...good, config: { ...good.config, slots: [{}] } }, /as config.slots\[0\].kind, expected text/],
    ];
    for (const [json, message] of broken) {
      const text = typeof json === 'string' ? json : JSON.stringify(json);
      const failed: unknown = await readRecording(onlyHeader(new TextEncoder().encode(text))).catch((e: unknown) => e);
      expect(failed).toBeInstanceOf(RecordingError);
      expect((failed as Error).message).toMatch(message);
    }
  });
});

describe('events', () => {
  it('of any kind, port and distance are read as they were written', async () => {
    const header = await headerOf();
    const event = fc.record({
      kind: fc.constantFrom(...Object.values(EVENT)),
      port: fc.nat(255),
      step: fc.nat(2 ** 40),
      sequence: fc.nat(1000),
      skip: fc.nat(2 ** 40),
      payload: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(new Uint8Array(3000).fill(7))),
      flush: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 60 }), fc.boolean(), async (list, closed) => {
        const sink = new Sink();
        const writer = new RecordingWriter(sink, header);
        const written: HostEvent[] = [];
        let instructions = 0;
        let skipped = 0;
        for (const { kind, port, step, sequence, skip, payload, flush } of list) {
          instructions += step;
          skipped += skip;
          const entered = { kind, port, at: { instructions, sequence }, time: instructions + skipped, payload };
          written.push(entered);
          writer.event(entered);
          if (flush) writer.flush();
        }
        if (closed) writer.close();
        else writer.flush();
        const { events, complete } = await readRecording(sink.file);
        expect(complete).toBe(closed);
        expect(events).toEqual(written);
      }),
      { numRuns: 60 },
    );
  });

  it('with large payloads that are equal take the room of one', async () => {
    const sizes = await Promise.all(
      [true, false].map(async (equal) => {
        const sink = new Sink();
        const writer = new RecordingWriter(sink, await headerOf());
        for (let i = 0; i < 100; i++) {
          const payload = Uint8Array.from(
            { length: 1500 },
            (_, at) => Math.imul(at + (equal ? 0 : i * 1500), 0x9e37_79b1) >>> 13,
          );
          writer.event({ kind: EVENT.INPUT, port: 1, at: { instructions: i, sequence: 0 }, time: i, payload });
          writer.flush();
        }
        writer.close();
        expect((await readRecording(sink.file)).events).toHaveLength(100);
        return sink.file.length;
      }),
    );
    expect(sizes[0]).toBeLessThan(sizes[1] / 15);
  });

  it('that were left by going back take checkpoints and hashes after them along, by instant', async () => {
    const sink = new Sink();
    const writer = new RecordingWriter(sink, await headerOf());
    const at = (instructions: number, sequence: number) => ({ instructions, sequence });
    for (const instant of [at(100, 0), at(200, 1), at(200, 3)]) {
      writer.hash(instant, 1000, 'ab'.repeat(8));
      writer.checkpoint({ pages: [], tables: [], body: new Uint8Array(4), at: instant, time: 1000, events: 0 });
    }
    // To the same instruction, but an earlier step.
    writer.rewind(0, at(200, 2), 1000);
    writer.close();
    const { checkpoints, hashes, end } = await readRecording(sink.file);
    expect(checkpoints.map((checkpoint) => checkpoint.at)).toEqual([at(100, 0), at(200, 1)]);
    expect(hashes.map((mark) => mark.at)).toEqual([at(100, 0), at(200, 1)]);
    expect(end).toEqual(at(200, 2));
  });
});

describe('the index', () => {
  it('has a recording open by reading what is needed', async () => {
    const disk = new Uint8Array(80 * 2 ** 20);
    for (let at = 0; at < disk.length; at += 2 ** 20) randomFillSync(disk, at, 2 ** 19);
    const { file, hash } = await rich(disk);
    expect(file.length).toBeGreaterThan(30 * 2 ** 20);
    const source = new Counted(file);
    const recording = await readRecording(source);
    expect(recording.complete).toBe(true);
    expect(source.bytes).toBeLessThan(2 ** 21);
    const { timeline } = await openTimeline(recording, {}, room, { core: 'wasm' });
    await timeline.seek('100%');
    expect(timeline.hash()).toBe(hash);
    expect(source.bytes).toBeLessThan(2 ** 23);
    const image = recording.images.get('d'.repeat(64))!;
    const part = await image.read(70_000_001, 3_000_000);
    expect(Buffer.compare(part, disk.subarray(70_000_001, 73_000_001))).toBe(0);
  });

  it('is put together again where it is missing', async () => {
    const { file, hash } = await rich();
    const whole = await readRecording(file);
    const index = new DataView(file.buffer).getFloat64(file.length - 16, true);
    const broken = await readRecording(file.subarray(0, index));
    expect(broken).toMatchObject({
      complete: false,
      good: index,
      damage: `the recording breaks off at offset ${index}`,
    });
    expect(broken.events).toEqual(whole.events);
    expect(broken.hashes).toEqual(whole.hashes);
    expect(broken.checkpoints.map(({ at }) => at)).toEqual(whole.checkpoints.map(({ at }) => at));
    expect([...broken.images.keys()]).toEqual([...whole.images.keys()]);
    const { timeline } = await openTimeline(broken, {}, room, { core: 'wasm' });
    await timeline.seek('100%');
    expect(timeline.hash()).toBe(hash);
  });
});

describe('damage', () => {
  it('at any byte is a clear error or leaves a good beginning, images and checkpoints included', async () => {
    const { file } = await rich();
    const whole = await readRecording(file);
    const check = async (what: string, bytes: Uint8Array): Promise<void> => {
      try {
        const part = await readRecording(bytes);
        if (!part.complete) {
          expect(part.damage, what).toMatch(/at offset \d+/);
          expect(part.end.instructions, what).toBeLessThanOrEqual(whole.end.instructions);
        }
        // Up to where it went back, or all of it.
        const same = part.events.filter((event, i) => JSON.stringify(event) === JSON.stringify(whole.events[i]));
        expect(same.length === part.events.length || part.end.instructions <= 200_000, what).toBe(true);
        await readAll(part);
        // What nobody reads any more, a checkpoint that was left by going back, may be damaged.
        if (part.complete) expect(JSON.stringify(part.events), what).toBe(JSON.stringify(whole.events));
      } catch (error) {
        expect(error, `${what}: ${String(error)}`).toBeInstanceOf(RecordingError);
      }
    };
    const places = fc.sample(fc.nat(file.length - 1), { numRuns: 150, seed: 1 });
    for (const at of [...Array(500).keys(), ...places, ...Array.from({ length: 200 }, (_, i) => file.length - 1 - i)]) {
      const flipped = file.slice();
      flipped[at] ^= 1 << (at % 8);
      await check(`flipped at ${at}`, flipped);
      await check(`cut at ${at}`, file.subarray(0, at));
    }
  });

  it('of a checkpoint costs the way from the one before', async () => {
    const { file, hash } = await rich();
    const { checkpoints } = await readRecording(file);
    const index = file.length;
    let damaged = 0;
    for (let at = 0; at < index; at += 9001) {
      const bytes = file.slice();
      bytes[at] ^= 16;
      const recording = await readRecording(bytes).catch(() => undefined);
      if (!recording?.complete) continue;
      const opened = await openTimeline(recording, {}, room, { core: 'wasm' }).catch((error: unknown) => {
        expect(error).toBeInstanceOf(RecordingError);
      });
      if (!opened) continue;
      damaged++;
      const { timeline } = opened;
      await timeline.seek('100%');
      expect(timeline.hash()).toBe(hash);
      expect(timeline.checkpoints.all.length).toBeLessThanOrEqual(checkpoints.length + 2);
    }
    expect(damaged).toBeGreaterThan(5);
  });
});
