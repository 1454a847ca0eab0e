/** Histories of a Linux guest, against what its commands were known to do and against each other. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readHistory } from '../../src/history/read.ts';
import type { Cell, HistoryRow, HistoryTable } from '../../src/history/table.ts';
import { TABLES } from '../../src/history/tables/index.ts';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { hindsight } from '../cli/hindsight.ts';
import { guest, type LinuxScene, linuxScene } from '../debug/linux-scene.ts';

type Named = Readonly<Record<string, Cell>>;

const COMMAND = [
  'cd /tmp',
  'head -c 5000 /dev/zero >five',
  'cat five five >ten',
  'echo one line; printf "no end"; echo " of it"',
  '( sleep 0.01; kill -9 $$ ) & sh -c "exit 7"',
  'sh -c "kill -15 \\$\\$"',
  'wait; exit 3',
].join('\n');

describe.skipIf(guest === undefined)('histories', { timeout: 240_000 }, () => {
  let scene: LinuxScene;
  const rows = new Map<string, Named[]>();
  let finalHash: string;

  const named = (table: HistoryTable, row: HistoryRow): Named =>
    Object.fromEntries(table.columns.map(({ name }, i) => [name, row[i]!]));
  const read = async (
    tables: readonly HistoryTable[],
    options: Parameters<typeof readHistory>[4] = {},
  ): Promise<Map<string, Named[]>> => {
    const found = new Map(tables.map(({ name }) => [name, [] as Named[]]));
    const kernel = scene.guestInfo.kernel()!;
    const end = await readHistory(
      scene.target.mover,
      kernel,
      tables,
      (table, row) => found.get(table.name)!.push(named(table, row)),
      options,
    );
    expect(end).toBe('end');
    return found;
  };

  beforeAll(async () => {
    scene = await linuxScene(COMMAND.replace('kill -9 $$', 'true'), {}, { harts: 2 });
    finalHash = stateHash(scene.target.engine);
    for (const [name, list] of await read(TABLES)) rows.set(name, list);
  }, 240_000);
  afterAll(() => scene?.machine.close());

  const table = (name: string): Named[] => rows.get(name)!;

  it('leave the machine as it was', () => {
    expect(stateHash(scene.target.engine)).toBe(finalHash);
  });

  it('of processes: command lines, parents, how they ended', () => {
    const all = table('processes');
    const cat = all.find(({ command }) => command === 'cat five five')!;
    expect(cat).toMatchObject({ comm: 'cat', began: 'exec', ended: 'exit', status: 0 });
    const shell = all.filter(({ pid }) => pid === cat.parent);
    expect(shell.at(-1)).toMatchObject({ ended: 'exit', status: 3 });
    expect(all.find(({ ended, status }) => ended === 'exit' && status === 7)).toBeDefined();
    expect(all.find(({ ended }) => ended === 'signal')).toMatchObject({ status: 15 });
    for (const { instant, end_instant } of all)
      if (end_instant !== null) expect(end_instant).toBeGreaterThan(Number(instant));
    // A process is one program after another, with no time between.
    for (const { pid, began, instant } of all)
      if (began === 'exec')
        expect(all.some((p) => p.pid === pid && p.ended === 'exec' && p.end_instant === instant)).toBe(true);
  });

  it('of files: what was written and read', () => {
    const files = table('files');
    expect(files.filter(({ path, mode }) => path === '/tmp/five' && mode === 'w').map((f) => f.bytes_written)).toEqual([
      5000,
    ]);
    expect(files.filter(({ path, mode }) => path === '/tmp/five' && mode === 'r').map((f) => f.bytes_read)).toEqual([
      5000, 5000,
    ]);
    expect(files.find(({ path }) => path === '/tmp/ten')).toMatchObject({ mode: 'w', bytes_written: 10_000 });
  });

  it('of consoles: lines whole, with the process that began them', () => {
    const lines = table('console').map(({ line }) => line);
    expect(lines).toEqual(expect.arrayContaining(['one line', 'no end of it']));
    const { pid } = table('console').find(({ line }) => line === 'one line')!;
    expect(
      table('processes')
        .filter((p) => p.pid === pid)
        .at(-1),
    ).toMatchObject({ status: 3 });
    for (const line of lines) expect(scene.printed).toContain(line);
  });

  it('of system calls: as their own files and processes say', () => {
    const calls = table('syscalls');
    const cat = table('processes').find(({ command }) => command === 'cat five five')!;
    const own = calls.filter(({ pid }) => pid === cat.pid);
    expect(own.filter(({ name, args }) => name === 'openat' && String(args).includes('"five"'))).toHaveLength(2);
    expect(own.at(-1)).toMatchObject({ name: 'exit_group', result: null, end_instant: null });
    const written = calls
      .filter(({ name, result }) => name === 'write' && Number(result) > 0)
      .reduce((sum, c) => sum + Number(c.result), 0);
    const inFiles = table('files').reduce((sum, { bytes_written }) => sum + Number(bytes_written), 0);
    expect(inFiles).toBeGreaterThanOrEqual(written);
  });

  it('of scheduling: every hart runs one thread after the other, the whole time', async () => {
    for (const hart of [0, 1]) {
      const list = table('scheduling').filter((row) => row.hart === hart);
      expect(list.length).toBeGreaterThan(10);
      for (const [i, row] of list.entries()) {
        if (i > 0) expect(row.instant).toBe(list[i - 1].end_instant);
        if (i > 0) expect(row.tid).toBe(list[i - 1].next_tid);
      }
      expect(list.at(-1)!.end_instant).toBeNull();
    }
    expect(table('scheduling').some(({ waits_in, left }) => waits_in === 'wait4' && left === 'S')).toBe(true);
  });

  it('of faults and interrupts', () => {
    const faults = table('faults');
    expect(faults.some(({ access, path }) => access === 'execute' && path === '/bin/busybox')).toBe(true);
    expect(new Set(faults.map(({ kind }) => kind))).toContain('minor');
    const kinds = new Set(table('interrupts').map(({ kind }) => kind));
    expect([...kinds]).toEqual(expect.arrayContaining(['timer', 'external']));
    expect(
      table('interrupts')
        .filter(({ kind }) => kind === 'external')
        .every(({ device }) => device !== null),
    ).toBe(true);
  });

  it('of sockets: none here', () => expect(table('sockets')).toEqual([]));

  it('of a part of the time and of one process are those rows', async () => {
    const cat = table('processes').find(({ command }) => command === 'cat five five')!;
    const from = { instructions: Number(cat.instant) - 1, sequence: 0 };
    const end = Number(cat.end_instant) + 1;
    const until = { instructions: end };
    const { pid } = cat as { pid: number };
    for (const name of ['syscalls', 'faults']) {
      const one = TABLES.find((t) => t.name === name)!;
      const found = (await read([one], { from, until, pid })).get(name)!;
      const all = table(name).filter(
        (row) => row.pid === pid && Number(row.instant) > from.instructions && Number(row.instant) < end,
      );
      expect(found).toEqual(all);
      expect(found.length).toBeGreaterThan(5);
    }
  });

  it('can be ended early', async () => {
    const signal = AbortSignal.abort();
    const [processes] = TABLES;
    const end = await readHistory(scene.target.mover, scene.guestInfo.kernel()!, [processes], () => {}, { signal });
    expect(end).toBe('interrupted');
  });

  it('by command: text, JSON, CSV, and what is wrong', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'history-'));
    const recording = join(folder, 'a.hsr');
    await hindsight(['run', '--record', recording, '--no-stdin', '--exec', 'echo "a, b"; cat /etc/hosts >/tmp/x']);
    const json = await hindsight(['history', recording, 'processes', '--json']);
    const all = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Named);
    expect(all.find(({ command }) => command === 'cat /etc/hosts')).toMatchObject({ ended: 'exit', status: 0 });
    const csv = (await hindsight(['history', recording, 'console', '--csv'])).stdout.split('\r\n');
    expect(csv[0]).toBe('instant,time,pid,tid,comm,tty,line');
    expect(csv.some((line) => line.endsWith(',"a, b"'))).toBe(true);
    const text = (await hindsight(['history', recording, 'console'])).stdout;
    expect(text.split('\n')[0]).toMatch(/^ *instant +time +pid +tid +comm +tty +line$/);
    expect((await hindsight(['history', recording])).stdout).toMatch(/^syscalls +args +text +its arguments/m);
    const wrong = async (...more: string[]): Promise<readonly [number | null, string]> => {
      const { status, stderr } = await hindsight(['history', recording, ...more]);
      return [status, stderr];
    };
    expect(await wrong('proceses')).toEqual([
      2,
      expect.stringContaining('there is no table proceses: expected processes,'),
    ]);
    expect(await wrong('files', '-p', 'x')).toEqual([2, expect.stringContaining('--pid x: expected a whole number')]);
    expect(await wrong('files', '--json', '--csv')).toEqual([2, expect.stringContaining('expected one of them')]);
    expect(await wrong('files', '--from', 'x')).toEqual([
      2,
      expect.stringContaining('--from x: expected instructions'),
    ]);
    rmSync(folder, { recursive: true, force: true });
  });
});
