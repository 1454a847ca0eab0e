/** Profiles as pprof's profile.proto has them, read back by field numbers. */
import { expect, test } from 'vitest';
import { pprofFile } from '../../src/probe/pprof.ts';
import { fields } from '../history/perfetto-decoder.ts';

test('samples lead through locations and functions to names, and add up', () => {
  const stacks = [
    { pid: 7, comm: 'cat', frames: ['main', 'read', '[k] vfs_read'], samples: 3 },
    { pid: 8, comm: 'sh', frames: ['main'], samples: 2 },
  ];
  const decoded = fields(pprofFile(stacks, 1000));
  const parts = (field: number) => decoded.get(field)!.map((bytes) => fields(bytes as Uint8Array));
  const strings = decoded.get(6)!.map((bytes) => Buffer.from(bytes as Uint8Array).toString());
  expect(strings[0]).toBe('');
  const text = (value: unknown): string | undefined => strings[Number(value)];
  const functions = new Map(parts(5).map((made) => [Number(made.get(1)![0]), text(made.get(2)![0])]));
  const locations = new Map(
    parts(4).map((made) => {
      const line = fields(made.get(4)![0] as Uint8Array);
      return [Number(made.get(1)![0]), functions.get(Number(line.get(1)![0]))];
    }),
  );
  const seen = parts(2).map((sample) => ({
    frames: sample.get(1)!.map((id) => locations.get(Number(id))),
    value: Number(sample.get(2)![0]),
    labels: sample.get(3)!.map((bytes) => {
      const label = fields(bytes as Uint8Array);
      return [text(label.get(1)![0]), label.has(2) ? text(label.get(2)![0]) : Number(label.get(3)![0])];
    }),
  }));
  expect(seen).toEqual([
    {
      frames: ['[k] vfs_read', 'read', 'main'],
      value: 3000,
      labels: [
        ['process', 'cat'],
        ['pid', 7],
      ],
    },
    {
      frames: ['main'],
      value: 2000,
      labels: [
        ['process', 'sh'],
        ['pid', 8],
      ],
    },
  ]);
  const [type] = parts(1);
  expect([text(type.get(1)![0]), text(type.get(2)![0])]).toEqual(['instructions', 'count']);
  expect(decoded.get(12)).toEqual([1000n]);
});
