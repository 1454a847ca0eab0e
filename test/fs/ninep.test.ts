import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { FuseServer } from '../../src/fs/fuse/server.ts';
import { MemoryFs } from '../../src/fs/memory-fs.ts';
import { HEADER, T } from '../../src/fs/ninep/protocol.ts';
import { NinePServer } from '../../src/fs/ninep/server.ts';
import { SharedFolder } from '../../src/host/node/share/share.ts';
import { FuseClient, O, ROOT } from './fuse-client.ts';
import { type Step, step, Walker } from './model.ts';
import { NinePClient } from './ninep-client.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const u16 = (value: number): Uint8Array => new Uint8Array(Uint16Array.of(value).buffer);
const u32 = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
const u64 = (value: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const named = (text: string): Uint8Array => Buffer.concat([u16(text.length), bytes(text)]);

/** Steps of the model that the protocol has: it knows no rename that must not replace. */
const steps = fc.array(
  step.filter((s: Step) => s.op !== 'renameNoReplace'),
  { minLength: 1, maxLength: 40 },
);

describe('9P2000.L', () => {
  let fs: MemoryFs;
  let server: NinePServer<object, object>;
  let client: NinePClient;

  beforeEach(async () => {
    fs = new MemoryFs();
    server = new NinePServer(fs) as unknown as NinePServer<object, object>;
    client = new NinePClient(server);
    await client.begin();
  });

  test('says its version, and that it knows no other', async () => {
    expect(await client.begin(8192)).toBe('9P2000.L');
    const other = await client.send(T.VERSION, u32(8192), named('9P2000'));
    expect(new TextDecoder().decode(other.subarray(6))).toBe('unknown');
  });

  test('a walk ends at the first name that is not there, and makes no fid', async () => {
    await client.mkdir(ROOT, 'd');
    const answer = await client.send(T.WALK, u32(Number(ROOT), 77), u16(3), ...['d', 'no', 'x'].map(named));
    expect(new DataView(answer.slice().buffer).getUint16(0, true)).toBe(1);
    await expect(client.getattr(77n)).rejects.toThrow('ESTALE');
    await expect(client.walk(ROOT, 'no')).rejects.toThrow('ENOENT');
    await expect(client.walk(ROOT, '..')).rejects.toThrow('EINVAL');
    await expect(client.walk(ROOT, 'd/x')).rejects.toThrow('EINVAL');
  });

  test('an attribute is set when all of its value was written, listed and removed', async () => {
    const { entry, fh } = await client.create(ROOT, 'f');
    await client.release(entry.id, fh);
    const set = async (value: Uint8Array, flags: number, written = value): Promise<void> => {
      const fid = Number(await client.walk(entry.id));
      await client.send(T.XATTRCREATE, u32(fid), named('user.a'), u64(value.length), u32(flags));
      if (written.length > 0) await client.send(T.WRITE, u32(fid), u64(0), u32(written.length), written);
      await client.send(T.CLUNK, u32(fid));
    };
    const get = async (name: string): Promise<string> => {
      await client.send(T.XATTRWALK, u32(Number(entry.id), 900), named(name));
      const answer = await client.send(T.READ, u32(900), u64(0), u32(100));
      await client.send(T.CLUNK, u32(900));
      return new TextDecoder().decode(answer.subarray(4));
    };
    await set(bytes('value'), 0);
    expect(await get('user.a')).toBe('value');
    expect(await get('')).toBe('user.a\0');
    await expect(set(bytes('x'), 1)).rejects.toThrow('EEXIST');
    await expect(set(bytes('xyz'), 0, bytes('x'))).rejects.toThrow('EIO');
    await set(new Uint8Array(0), 2);
    await expect(get('user.a')).rejects.toThrow('ENODATA');
    expect(server.held).toBe(2);
  });

  test('a flush is answered after the request that it is of', async () => {
    let go!: () => void;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const slow = new Proxy(fs, {
      get: (target, key) =>
        key === 'statistics' ? () => gate.then(() => target.statistics()) : Reflect.get(target, key),
    });
    const order: number[] = [];
    const late = new NinePServer(slow);
    const message = (type: number, tag: number, body: Uint8Array): Uint8Array =>
      new Uint8Array(Buffer.concat([u32(HEADER + body.length), Uint8Array.of(type), u16(tag), body]));
    const asked = Promise.resolve(late.handle(message(T.STATFS, 5, u32(0)))).then(() => order.push(T.STATFS));
    const flushed = Promise.resolve(late.handle(message(T.FLUSH, 6, u16(5)))).then(() => order.push(T.FLUSH));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual([]);
    go();
    await Promise.all([asked, flushed]);
    expect(order).toEqual([T.STATFS, T.FLUSH]);
  });

  test('refuses device nodes, and what a read-only share would change', async () => {
    const node = (name: string, mode: number): Promise<Uint8Array> =>
      client.send(T.MKNOD, u32(Number(ROOT)), named(name), u32(mode, 1, 3, 0));
    await expect(node('null', 0o020666)).rejects.toThrow('EPERM');
    await node('file', 0o104644);
    expect((await client.lookup(ROOT, 'file')).mode).toBe(0o100644);
    const only = new NinePClient(new NinePServer(fs, { readOnly: true }) as unknown as NinePServer<object, object>);
    await only.begin();
    await expect(only.mkdir(ROOT, 'd')).rejects.toThrow('EROFS');
    await expect(only.unlink(ROOT, 'file')).rejects.toThrow('EROFS');
    const { id } = await only.lookup(ROOT, 'file');
    await expect(only.open(id, O.RDWR)).rejects.toThrow('EROFS');
    await only.open(id, O.RDONLY);
  });

  test('answers what is cut short or makes no sense with an error', () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 80 }), async (type, body) => {
        const message = new Uint8Array(Buffer.concat([u32(HEADER + body.length), Uint8Array.of(type, 1, 0), body]));
        const answer = await server.handle(message);
        expect(answer!.header.length).toBeGreaterThanOrEqual(HEADER);
        await client.begin();
      }),
      { numRuns: 500 },
    ));

  test('random operations do what they do by FUSE', () =>
    fc.assert(
      fc.asyncProperty(steps, async (steps) => {
        const fuse = new FuseClient(new FuseServer(new MemoryFs(), { session: 1 }));
        await fuse.init();
        const one = new Walker(fuse);
        const served = new NinePServer(new MemoryFs()) as unknown as NinePServer<object, object>;
        const other = new NinePClient(served);
        await other.begin();
        const two = new Walker(other);
        for (const s of steps) expect(await two.run(s)).toEqual(await one.run(s));
        await served.close();
        expect(served.held).toBe(0);
      }),
      { numRuns: 300 },
    ));

  test('the same on a folder of the host, which nothing leaves', async () => {
    const outer = mkdtempSync(join(tmpdir(), 'hindsight-9p-'));
    const root = mkdtempSync(join(outer, 'shared-'));
    writeFileSync(join(outer, 'secret'), 'outside');
    symlinkSync('../secret', join(root, 'link'));
    const share = new SharedFolder(root);
    try {
      const nine = new NinePClient(new NinePServer(share) as unknown as NinePServer<object, object>);
      await nine.begin();
      const link = await nine.lookup(ROOT, 'link');
      expect(await nine.readlink(link.id)).toBe('../secret');
      await expect(nine.open(link.id, O.RDONLY)).rejects.toThrow('ELOOP');
      const { entry, fh } = await nine.create(ROOT, 'f');
      await nine.write(entry.id, fh, 0, bytes('kept'));
      await nine.unlink(ROOT, 'f');
      expect(Buffer.from(await nine.read(entry.id, fh, 0, 10)).toString()).toBe('kept');
      await nine.release(entry.id, fh);
      expect(readFileSync(join(outer, 'secret'), 'utf8')).toBe('outside');
    } finally {
      share.dispose();
      rmSync(outer, { recursive: true });
    }
  });
});
