import fc from 'fast-check';
import { type FuseClient, FuseError, O, ROOT } from './fuse-client.ts';

/** One operation on a file or folder among a few, so that they meet often. */
export type Step =
  | { readonly op: 'create' | 'mkdir' | 'unlink' | 'rmdir' | 'list' | 'stat' | 'readlink'; readonly path: string }
  | { readonly op: 'symlink'; readonly path: string; readonly target: string }
  | { readonly op: 'link' | 'rename' | 'renameNoReplace'; readonly path: string; readonly to: string }
  | {
      readonly op: 'write';
      readonly path: string;
      readonly offset: number;
      readonly length: number;
      readonly fill: number;
    }
  | { readonly op: 'read'; readonly path: string; readonly offset: number; readonly length: number }
  | { readonly op: 'truncate'; readonly path: string; readonly size: number }
  | { readonly op: 'chmod'; readonly path: string; readonly mode: number }
  | { readonly op: 'touch'; readonly path: string; readonly time: number }
  | { readonly op: 'hold'; readonly path: string }
  | { readonly op: 'holdRead' | 'holdWrite'; readonly offset: number; readonly length: number }
  | { readonly op: 'forgetAll' };

const name = fc.constantFrom('a', 'b', 'c', 'ü ö', 'x'.repeat(200));
const path = fc.oneof(
  name,
  fc.tuple(name, name).map(([a, b]) => `${a}/${b}`),
  fc.tuple(name, name, name).map(([a, b, c]) => `${a}/${b}/${c}`),
);
const offset = fc.oneof(fc.integer({ min: 0, max: 300_000 }), fc.constantFrom(0, 4095, 4096, 65_535, 65_536, 2 ** 33));
const length = fc.oneof(fc.integer({ min: 0, max: 9000 }), fc.constantFrom(0, 1, 65_536, 200_000));

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constantFrom('create' as const, 'mkdir' as const), path }) },
  {
    weight: 5,
    arbitrary: fc.record({ op: fc.constantFrom('unlink' as const, 'rmdir' as const, 'list' as const), path }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constantFrom('stat' as const, 'readlink' as const), path }) },
  fc.record({ op: fc.constant('symlink' as const), path, target: fc.constantFrom('a', '/etc/passwd', '../../..') }),
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constantFrom('link' as const, 'rename' as const, 'renameNoReplace' as const),
      path,
      to: path,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('write' as const),
      path,
      offset,
      length,
      fill: fc.integer({ min: 0, max: 255 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('read' as const), path, offset, length }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('truncate' as const), path, size: offset }) },
  fc.record({ op: fc.constant('chmod' as const), path, mode: fc.integer({ min: 0, max: 0o777 }) }),
  fc.record({ op: fc.constant('touch' as const), path, time: fc.integer({ min: 0, max: 4_000_000_000 }) }),
  { weight: 2, arbitrary: fc.record({ op: fc.constant('hold' as const), path }) },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constantFrom('holdRead' as const, 'holdWrite' as const), offset, length }),
  },
  fc.constant({ op: 'forgetAll' as const }),
);

/** What a {@link Walker} needs of a client, whatever protocol it speaks. */
export type FileClient = Pick<
  FuseClient,
  | 'create'
  | 'forget'
  | 'getattr'
  | 'link'
  | 'list'
  | 'lookup'
  | 'mkdir'
  | 'open'
  | 'read'
  | 'readlink'
  | 'release'
  | 'rename'
  | 'rmdir'
  | 'setattr'
  | 'symlink'
  | 'unlink'
  | 'write'
>;

/** Runs steps as a client that looks every path up. What comes back must not depend on the file system behind the server. */
export class Walker {
  private readonly looked: bigint[] = [];
  private open: { id: bigint; fh: bigint } | undefined;

  private readonly client: FileClient;

  constructor(client: FileClient) {
    this.client = client;
  }

  async run(step: Step): Promise<unknown> {
    try {
      return await this.perform(step);
    } catch (error) {
      if (!(error instanceof FuseError)) throw error;
      return error.message;
    }
  }

  private async perform(step: Step): Promise<unknown> {
    const { client } = this;
    switch (step.op) {
      case 'create': {
        const { dir, name } = await this.parent(step.path);
        const { entry, fh } = await client.create(dir, name, O.RDWR | O.CREAT | O.EXCL, 0o640);
        this.looked.push(entry.id);
        await client.release(entry.id, fh);
        return { mode: entry.mode, size: entry.size, uid: entry.uid };
      }
      case 'mkdir': {
        const { dir, name } = await this.parent(step.path);
        const entry = await client.mkdir(dir, name, 0o750);
        this.looked.push(entry.id);
        return entry.mode;
      }
      case 'unlink': {
        const { dir, name } = await this.parent(step.path);
        await client.unlink(dir, name);
        return 'done';
      }
      case 'rmdir': {
        const { dir, name } = await this.parent(step.path);
        await client.rmdir(dir, name);
        return 'done';
      }
      case 'list':
        return (await client.list(await this.find(step.path), { size: 1000 })).map(({ name }) => name).sort();
      case 'stat': {
        const { mode, size, links } = await client.getattr(await this.find(step.path));
        // Sizes and links of directories are each file system's own affair.
        return (mode & 0o170000) === 0o040000 ? mode : { mode, size, links };
      }
      case 'readlink':
        return client.readlink(await this.find(step.path));
      case 'symlink': {
        const { dir, name } = await this.parent(step.path);
        const entry = await client.symlink(dir, name, step.target);
        this.looked.push(entry.id);
        return entry.size;
      }
      case 'link': {
        const id = await this.find(step.path);
        const { dir, name } = await this.parent(step.to);
        const entry = await client.link(id, dir, name);
        this.looked.push(entry.id);
        return entry.links;
      }
      case 'rename':
      case 'renameNoReplace': {
        const from = await this.parent(step.path);
        const to = await this.parent(step.to);
        await client.rename(from.dir, from.name, to.dir, to.name, step.op === 'rename' ? 0 : 1);
        return 'done';
      }
      case 'write': {
        const id = await this.find(step.path);
        const fh = await client.open(id, O.WRONLY);
        const data = new Uint8Array(step.length).fill(step.fill);
        const written = await client.write(id, fh, step.offset, data);
        await client.release(id, fh);
        return written;
      }
      case 'read': {
        const id = await this.find(step.path);
        const fh = await client.open(id, O.RDONLY);
        const read = await client.read(id, fh, step.offset, step.length);
        await client.release(id, fh);
        return Buffer.from(read).toString('latin1');
      }
      case 'truncate':
        return (await client.setattr(await this.find(step.path), { size: step.size })).size;
      case 'chmod':
        return (await client.setattr(await this.find(step.path), { mode: step.mode })).mode;
      case 'touch':
        return (
          (await client.setattr(await this.find(step.path), { mtime: BigInt(step.time) * 1_000_000_000n })).mtime /
          1_000_000_000n
        );
      case 'hold': {
        const id = await this.find(step.path);
        const fh = await client.open(id, O.RDWR);
        if (this.open !== undefined) await client.release(this.open.id, this.open.fh);
        this.open = { id, fh };
        return 'done';
      }
      case 'holdRead':
        if (this.open === undefined) return undefined;
        return Buffer.from(await client.read(this.open.id, this.open.fh, step.offset, step.length)).toString('latin1');
      case 'holdWrite':
        if (this.open === undefined) return undefined;
        return client.write(this.open.id, this.open.fh, step.offset, new Uint8Array(step.length).fill(7));
      case 'forgetAll':
        for (const id of this.looked.splice(0)) if (id !== this.open?.id) await client.forget(id);
        return undefined;
    }
  }

  private async find(path: string): Promise<bigint> {
    let id = ROOT;
    for (const name of path.split('/')) {
      id = (await this.client.lookup(id, name)).id;
      this.looked.push(id);
    }
    return id;
  }

  private async parent(path: string): Promise<{ dir: bigint; name: string }> {
    const parts = path.split('/');
    const name = parts.pop()!;
    return { dir: parts.length === 0 ? ROOT : await this.find(parts.join('/')), name };
  }
}
