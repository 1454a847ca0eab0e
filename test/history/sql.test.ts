/** SQL over histories: the same rows as the tables', with only what is asked for replayed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sqlite3InitModule from '@sqlite.org/sqlite-wasm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readHistory } from '../../src/history/read.ts';
import { HistoryDatabase } from '../../src/history/sql.ts';
import type { HistoryRow, HistoryTable } from '../../src/history/table.ts';
import { TABLES } from '../../src/history/tables/index.ts';
import { GuestInfo, Timeline, Tracer } from '../../src/host/node/index.ts';
import { hindsight } from '../cli/hindsight.ts';
import { guest } from '../debug/linux-scene.ts';

describe.skipIf(guest === undefined)('SQL', { timeout: 240_000 }, () => {
  let folder: string;
  let recording: string;
  let timeline: Timeline;
  let database: HistoryDatabase;
  let all: readonly HistoryRow[];
  /** What was replayed for the last query, in parts of the recording. */
  let replays: { readonly table: string; readonly rows: number }[];
  const table = (name: string): HistoryTable => TABLES.find((t) => t.name === name)!;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sql-'));
    recording = join(folder, 'a.hsr');
    const command = 'for i in 1 2 3; do cat /etc/hosts >/tmp/copy$i; done; cat missing';
    await hindsight(['run', '--record', recording, '--no-stdin', '--exec', command]);
    timeline = await Timeline.open(recording);
    const kernel = new GuestInfo(timeline.view).kernel()!;
    const rows: HistoryRow[] = [];
    await readHistory(timeline, kernel, [table('syscalls')], (_, row) => rows.push(row));
    all = rows;
    const watched = TABLES.map(
      (one): HistoryTable => ({
        ...one,
        watch(tracer, emit, filter) {
          const replay = { table: one.name, rows: 0 };
          replays.push(replay);
          return one.watch(
            tracer,
            (row) => {
              replay.rows++;
              emit(row);
            },
            filter,
          );
        },
      }),
    );
    database = new HistoryDatabase(await sqlite3InitModule(), timeline, kernel, watched);
  }, 240_000);
  afterAll(async () => {
    database?.close();
    await timeline?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = (sql: string): ReturnType<HistoryDatabase['query']> => {
    replays = [];
    return database.query(sql);
  };

  it('replays what a range and a process leave, and nothing twice', async () => {
    const cat = all.find((row) => row[6] === 'cat')!;
    const pid = cat[4];
    const from = Number(cat[0]);
    const to = from + 1_000_000;
    const sql = `select instant, name, result from syscalls where instant between ${from} and ${to} and pid = ${pid}`;
    const { rows, columns, partial } = await ask(sql);
    expect([columns, partial]).toEqual([['instant', 'name', 'result'], false]);
    const expected = all.filter((row) => Number(row[0]) >= from && Number(row[0]) <= to && row[4] === pid);
    expect(rows.map(([instant, name]) => [instant, name])).toEqual(expected.map((row) => [row[0], row[7]]));
    expect(rows.length).toBeGreaterThan(3);
    expect(replays).toEqual([{ table: 'syscalls', rows: rows.length }]);
    await ask(`${sql} and name = 'read'`);
    expect(replays).toEqual([]);
  });

  it('bounds by guest time', async () => {
    const [, time] = all[Math.floor(all.length / 2)];
    const { rows } = await ask(`select count(*) from syscalls where time > ${time}`);
    expect(rows).toEqual([[all.filter((row) => Number(row[1]) > Number(time)).length]]);
    expect(replays).toHaveLength(1);
    expect(replays[0].rows).toBeLessThan(all.length);
    expect((await ask('select count(*) from syscalls where time > 0 and time < 0.001')).rows).toEqual([[0]]);
  });

  it('gives the whole of a table where nothing bounds it', async () => {
    const { rows } = await ask('select count(*), sum(result is null), max(duration) > 0 from syscalls');
    expect(rows).toEqual([[all.length, all.filter((row) => row[9] === null).length, 1]]);
  });

  it('joins tables, with no more than three replays of each', async () => {
    const { rows } = await ask(
      "select p.command, count(*) from processes p join files f on f.pid = p.pid where p.command like 'cat %' and f.path = '/etc/hosts' and p.ended = 'exit' group by 1",
    );
    expect(rows).toEqual([['cat /etc/hosts', 3]]);
    for (const { name } of TABLES) expect(replays.filter((r) => r.table === name).length).toBeLessThanOrEqual(3);
  });

  it('says what is wrong in a statement', async () => {
    await expect(ask('selec 1')).rejects.toThrow('near "selec": syntax error');
    await expect(ask('select nope from files')).rejects.toThrow('no such column: nope');
    await expect(ask('select * from flies')).rejects.toThrow('no such table: flies');
    await expect(ask('select 1; select 2')).rejects.toThrow('expected one statement');
    expect((await ask('select 1 -- one\n')).rows).toEqual([[1]]);
    await expect(ask('delete from files')).rejects.toThrow('may not be modified');
  });

  it('keeps what an interrupted replay has read, and says so', async () => {
    const fresh = new HistoryDatabase(
      await sqlite3InitModule(),
      timeline,
      new GuestInfo(timeline.view).kernel()!,
      TABLES,
    );
    const { rows, partial } = await fresh.query('select count(*) from syscalls', { signal: AbortSignal.abort() });
    fresh.close();
    expect(partial).toBe(true);
    expect(Number(rows[0][0])).toBeLessThan(all.length);
  });

  it('a program of your own hears of any function of the kernel, and of its return', async () => {
    await timeline.seek(timeline.begin);
    const tracer = new Tracer(timeline, new GuestInfo(timeline.view).kernel()!);
    const read = new Map<string, number>();
    expect(tracer.on('no_such_function', () => {})).toBe(false);
    tracer.on('vfs_read', (hart) => {
      const { comm } = tracer.who(hart);
      tracer.returned(hart, (after) => {
        const bytes = Number(BigInt.asIntN(64, tracer.argument(after, 0)));
        if (bytes > 0) read.set(comm, (read.get(comm) ?? 0) + bytes);
      });
    });
    await tracer.run({});
    const { rows } = await ask("select sum(result) from syscalls where comm = 'init' and name = 'read' and result > 0");
    expect(read.get('init')).toBe(rows[0][0]);
  });

  it('by command', async () => {
    const text = "select name, count(*) as n from syscalls where comm = 'cat' group by 1 order by name limit 1";
    const { stdout, stderr, status } = await hindsight(['query', recording, text]);
    expect([stderr, status]).toEqual(['', 0]);
    expect(stdout).toMatch(/^name +n\n\w+ +\d+\n$/);
    const wrong = await hindsight(['query', recording, 'select']);
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('hindsight history REC lists tables')]);
  });
});
