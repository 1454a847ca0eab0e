import { describe, expect, test } from 'vitest';
import { MAX_TRANSFER } from '../../src/fs/fuse/bodies.ts';
import { OPCODE } from '../../src/fs/fuse/protocol.ts';
import { FuseServer, type FuseServerOptions } from '../../src/fs/fuse/server.ts';
import { MemoryFs } from '../../src/fs/memory-fs.ts';
import { FuseClient, O, ROOT } from './fuse-client.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (b: Uint8Array): string => new TextDecoder().decode(b);

function mount(options: Partial<FuseServerOptions> = {}, fs = new MemoryFs()) {
  const server = new FuseServer(fs, { session: 7, ...options });
  return { fs, server, client: new FuseClient(server) };
}

describe('the FUSE server', () => {
  test('says its version, and refuses clients older than 7.31', async () => {
    const { client } = mount();
    const v = new DataView((await client.init()).slice().buffer);
    expect([v.getUint32(0, true), v.getUint32(4, true)]).toEqual([7, 38]);
    expect(v.getUint32(20, true)).toBe(MAX_TRANSFER);
    expect(v.getUint16(28, true)).toBe(256);
    await expect(client.init(30)).rejects.toThrow('EPROTO');
  });

  test('creates, writes, reads, lists and removes', async () => {
    const { client, server } = mount();
    const dir = await client.mkdir(ROOT, 'd');
    const { entry, fh } = await client.create(dir.id, 'f');
    expect(await client.write(entry.id, fh, 3, bytes('hello'))).toBe(5);
    expect(text(await client.read(entry.id, fh, 0, 100))).toBe('\0\0\0hello');
    expect((await client.getattr(entry.id)).size).toBe(8);
    expect((await client.list(dir.id)).map(({ name }) => name)).toEqual(['f']);
    await expect(client.rmdir(ROOT, 'd')).rejects.toThrow('ENOTEMPTY');
    await client.unlink(dir.id, 'f');
    await client.rmdir(ROOT, 'd');
    expect(await client.list(ROOT)).toEqual([]);
    // The file lives on while it is open (POSIX unlink).
    expect(text(await client.read(entry.id, fh, 3, 5))).toBe('hello');
    await client.release(entry.id, fh);
    await client.forget(entry.id, 2); // given by CREATE and by READDIRPLUS
    await client.forget(dir.id);
    expect(server.held).toEqual({ nodes: 0, open: 0 });
  });

  test('gives one id to all names of a file, and takes it back when every look-up was forgotten', async () => {
    const { client, server } = mount();
    const { entry, fh } = await client.create(ROOT, 'a');
    const second = await client.link(entry.id, ROOT, 'b');
    expect(second.id).toBe(entry.id);
    expect(second.links).toBe(2);
    await client.release(entry.id, fh);
    await client.forget(entry.id, 1);
    expect(server.held.nodes).toBe(1);
    await client.forget(entry.id, 1);
    expect(server.held.nodes).toBe(0);
    await expect(client.getattr(entry.id)).rejects.toThrow('ESTALE');
  });

  test('an id of another session is stale, never another file', async () => {
    const { client, fs } = mount();
    const { entry, fh } = await client.create(ROOT, 'a');
    const later = new FuseClient(new FuseServer(fs, { session: 8 }));
    await later.create(ROOT, 'b');
    await expect(later.getattr(entry.id)).rejects.toThrow('ESTALE');
    await expect(later.read(entry.id, fh, 0, 1)).rejects.toThrow('ESTALE');
    expect((await later.lookup(ROOT, 'a')).inode).toBe(entry.inode);
  });

  test.each(['.', '..', 'a/b', '/etc', '', 'x'.repeat(256)])(
    'refuses the name "%s" in every operation',
    async (name) => {
      const { client } = mount();
      const { entry } = await client.create(ROOT, 'f');
      const refused = name.length > 255 ? 'ENAMETOOLONG' : 'EINVAL';
      await expect(client.lookup(ROOT, name)).rejects.toThrow(refused);
      await expect(client.create(ROOT, name)).rejects.toThrow(refused);
      await expect(client.mkdir(ROOT, name)).rejects.toThrow(refused);
      await expect(client.symlink(ROOT, name, 'x')).rejects.toThrow(refused);
      await expect(client.link(entry.id, ROOT, name)).rejects.toThrow(refused);
      await expect(client.unlink(ROOT, name)).rejects.toThrow(refused);
      await expect(client.rmdir(ROOT, name)).rejects.toThrow(refused);
      await expect(client.rename(ROOT, 'f', ROOT, name)).rejects.toThrow(refused);
      await expect(client.rename(ROOT, name, ROOT, 'g')).rejects.toThrow(refused);
    },
  );

  test('refuses device nodes, and drops set-user-ID', async () => {
    const { client } = mount();
    for (const type of [0o020000, 0o060000, 0o010000, 0o140000])
      await expect(client.mknod(ROOT, 'n', type | 0o666)).rejects.toThrow('EPERM');
    expect((await client.mknod(ROOT, 'f', 0o106755)).mode).toBe(0o100755);
  });

  test('a read-only share refuses all that changes something', async () => {
    const { client, fs } = mount();
    const { entry, fh } = await client.create(ROOT, 'f');
    await client.write(entry.id, fh, 0, bytes('kept'));
    const guest = new FuseClient(new FuseServer(fs, { session: 9, readOnly: true }));
    const { id } = await guest.lookup(ROOT, 'f');
    const handle = await guest.open(id, O.RDONLY);
    expect(text(await guest.read(id, handle, 0, 10))).toBe('kept');
    for (const attempt of [
      () => guest.open(id, O.RDWR),
      () => guest.open(id, O.RDONLY | O.TRUNC),
      () => guest.write(id, handle, 0, bytes('x')),
      () => guest.create(ROOT, 'g'),
      () => guest.mkdir(ROOT, 'g'),
      () => guest.symlink(ROOT, 'g', 'f'),
      () => guest.link(id, ROOT, 'g'),
      () => guest.unlink(ROOT, 'f'),
      () => guest.rename(ROOT, 'f', ROOT, 'g'),
      () => guest.setattr(id, { mode: 0o777 }),
      () => guest.setattr(id, { size: 0 }),
      () => guest.setxattr(id, 'user.a', bytes('x')),
      () => guest.fallocate(id, handle, 0, 0, 10),
    ])
      await expect(attempt()).rejects.toThrow('EROFS');
    expect(text(await guest.read(id, handle, 0, 10))).toBe('kept');
  });

  test('opens what somebody made since the client looked, unless it must be new', async () => {
    const { client } = mount();
    const { entry } = await client.create(ROOT, 'f');
    expect((await client.create(ROOT, 'f', O.RDWR | O.CREAT)).entry.id).toBe(entry.id);
    await expect(client.create(ROOT, 'f')).rejects.toThrow('EEXIST');
  });

  test('lists 100,000 names in pieces, with and without their attributes', async () => {
    const { client, fs } = mount();
    const names = Array.from({ length: 100_000 }, (_, i) => `file ${i}`);
    for (const name of names) fs.create(fs.root, name, 0o644, { read: true, write: true, truncate: false });
    for (const plus of [false, true]) {
      const listed = await client.list(ROOT, { size: 131072, plus });
      expect(listed.map(({ name }) => name)).toEqual(names);
      expect(new Set(listed.map(({ inode }) => inode)).size).toBe(names.length);
    }
  });

  test('copies within the share, seeks holes, keeps extended attributes', async () => {
    const { client } = mount();
    const a = await client.create(ROOT, 'a');
    const b = await client.create(ROOT, 'b');
    await client.write(a.entry.id, a.fh, 1_000_000, bytes('end'));
    expect(await client.copy(a.entry.id, a.fh, 0, b.entry.id, b.fh, 10, 2_000_000)).toBe(1_000_003);
    expect(text(await client.read(b.entry.id, b.fh, 1_000_010, 10))).toBe('end');
    expect(await client.lseek(a.entry.id, a.fh, 0, 3)).toBe(15 * 65536);
    expect(await client.lseek(a.entry.id, a.fh, 0, 4)).toBe(0);
    await expect(client.lseek(a.entry.id, a.fh, 2_000_000, 3)).rejects.toThrow('ENXIO');
    await client.setxattr(a.entry.id, 'user.k', bytes('v'));
    expect(text(await client.getxattr(a.entry.id, 'user.k'))).toBe('v');
    expect(await client.listxattr(a.entry.id)).toEqual(['user.k']);
    await expect(client.getxattr(a.entry.id, 'user.x')).rejects.toThrow('ENODATA');
    await expect(client.getxattr(a.entry.id, 'user.k', 0)).resolves.toHaveLength(8);
  });

  test('answers what is cut short or makes no sense with an error', async () => {
    const { client, server } = mount();
    await client.create(ROOT, 'f');
    for (const opcode of Object.values(OPCODE)) {
      for (const length of [0, 1, 7, 8, 15]) {
        try {
          await client.send(opcode, ROOT, new Uint8Array(length).fill(0xff));
        } catch (error) {
          expect((error as Error).name).toBe('Error');
        }
      }
    }
    expect(await server.handle(new Uint8Array(10))).toBeUndefined();
    await expect(client.send(999, ROOT)).rejects.toThrow('ENOSYS');
    expect((await client.list(ROOT)).map(({ name }) => name)).toContain('f');
  });

  test('when the client goes, everything it held is given back', async () => {
    const { client, server } = mount();
    await client.create(ROOT, 'f');
    await client.mkdir(ROOT, 'd');
    expect(server.held).toEqual({ nodes: 2, open: 1 });
    await client.send(OPCODE.DESTROY, 0n);
    expect(server.held).toEqual({ nodes: 0, open: 0 });
  });
});
