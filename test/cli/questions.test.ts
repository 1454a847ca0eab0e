/** diff, export --perfetto, serve and mcp on recordings of a Linux guest. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeTrace } from '../history/perfetto-decoder.ts';
import { guest } from './guest.ts';
import { CLI, hindsight } from './hindsight.ts';

describe.skipIf(guest === undefined)('questions by command', { timeout: 240_000 }, () => {
  let folder: string;
  const file = (name: string): string => join(folder, `${name}.hsr`);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'questions-'));
    const record = (name: string, command: string) =>
      hindsight(['run', '--record', file(name), '--no-stdin', '--exec', command]);
    await record('good', 'cat /etc/hosts; echo done');
    await record('bad', 'cat /etc/hostz; echo done');
    await record('again', 'cat /etc/hosts; echo done');
  }, 240_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('diff: where a good and a bad run part, by program and system call', async () => {
    const { stdout, status } = await hindsight(['diff', file('good'), file('bad'), '--json']);
    expect(status).toBe(1);
    const { same, contained, next, differences } = JSON.parse(stdout);
    expect([contained, Number(same) > 0]).toEqual([false, true]);
    // The command came in over the console.
    expect(next[0].input.text).not.toBe(next[1].input.text);
    expect(differences.map(({ table }: { table: string }) => table)).toEqual(['processes', 'syscalls']);
    const [good, bad] = differences[0].rows;
    expect(good.command).toContain("'cat /etc/hosts; echo done'");
    expect(bad.command).toContain("'cat /etc/hostz; echo done'");
    expect(good.pid).toBe(bad.pid);
    const text = (await hindsight(['diff', file('good'), file('bad')])).stdout;
    expect(text).toMatch(/^the same up to instant \d+, \d\.\d+ s\n/);
    expect(text).toContain('first program that differs\n');
  });

  test('diff: the same twice, and what is refused', async () => {
    const { stdout, status } = await hindsight(['diff', file('good'), file('again')]);
    expect([stdout, status]).toEqual([expect.stringMatching(/^the recordings are the same, to their end at \d+/), 0]);
    const same = await hindsight(['diff', file('good'), file('good')]);
    expect([same.status, same.stderr]).toEqual([2, expect.stringContaining('are one file')]);
    const place = await hindsight(['diff', `${file('good')}@50%`, file('bad')]);
    expect([place.status, place.stderr]).toEqual([2, expect.stringContaining('expected two files')]);
    expect((await hindsight(['diff', `${file('good')}@50%`, `${file('good')}@50%`])).status).toBe(0);
  });

  test('diff: the processes of two instants, with their memory and files', async () => {
    const script = `kprobe:vfs_open /comm == "cat"/ { printf("%d %d\\n", pid, instret); exit(); }`;
    const { stdout } = await hindsight(['probe', '-q', file('good'), '-e', script]);
    const [pid, instant] = stdout.trim().split(' ').map(Number);
    const places = [`${file('good')}@0%`, `${file('good')}@${instant}`];
    const found = await hindsight(['diff', ...places, '--json']);
    expect(found.status).toBe(1);
    const { processes, instants } = JSON.parse(found.stdout);
    expect(instants[1]).toBe(String(instant));
    const cat = processes.find((change: { pid: number }) => change.pid === pid);
    expect(cat).toMatchObject({ change: 'started', before: null, after: { comm: 'cat' } });
    expect(cat.after.resident).toBeGreaterThan(100_000);
    const back = await hindsight(['diff', ...places.reverse()]);
    expect(back.stdout).toMatch(new RegExp(`^cat \\(${pid}\\) ended, \\d+ KiB$`, 'm'));
  });

  test('export --perfetto: a trace with the processes that ran', async () => {
    const target = join(folder, 'a.pftrace');
    const { status, stderr } = await hindsight(['export', file('good'), '--perfetto', target]);
    expect([status, stderr]).toEqual([0, expect.stringMatching(/\d+ slices/)]);
    const { tracks, events } = decodeTrace(readFileSync(target));
    expect(events.some(({ name, category }) => name === 'cat /etc/hosts' && category === 'processes')).toBe(true);
    expect(events.some(({ name, category }) => name === 'done' && category === 'console')).toBe(true);
    for (const { track } of events) expect(tracks.has(track)).toBe(true);
    const both = await hindsight(['export', file('good'), '--perfetto', target, '--pcapng', '-']);
    expect(both.stderr).toContain('expected one of them');
  });

  test('profile: the same stacks every time, folded and for speedscope', async () => {
    const folded = await hindsight(['profile', file('good'), '--every', '20011']);
    expect([folded.status, folded.stderr]).toEqual([
      0,
      expect.stringMatching(/\d+ stacks, one every 20011 instructions/),
    ]);
    const lines = folded.stdout.trim().split('\n');
    expect(lines.every((line) => /^[^;]+(;[^;]+)* \d+$/.test(line))).toBe(true);
    expect(folded.stdout).toMatch(/\[k\] handle_exception/);
    const target = join(folder, 'a.speedscope.json');
    await hindsight(['profile', file('good'), '--every', '20011', '--speedscope', target]);
    const { $schema, shared, profiles } = JSON.parse(readFileSync(target, 'utf8'));
    expect($schema).toBe('https://www.speedscope.app/file-format-schema.json');
    const count = (list: readonly number[]): number => list.reduce((sum, n) => sum + n, 0);
    for (const { type, unit, startValue, endValue, samples, weights } of profiles) {
      expect([type, unit, startValue, endValue]).toEqual(['sampled', 'none', 0, count(weights)]);
      expect(samples).toHaveLength(weights.length);
      for (const index of samples.flat()) expect(shared.frames[index].name).toEqual(expect.any(String));
    }
    const total = count(lines.map((line) => Number(line.split(' ').at(-1))));
    expect(count(profiles.map(({ endValue }: { endValue: number }) => endValue))).toBe(total);
    const wrong = await hindsight(['profile', file('good'), '--every', '0']);
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('--every 0: expected a whole number')]);
  });

  test('top: what processes did before an instant', async () => {
    const { stdout } = await hindsight(['history', file('good'), 'processes', '--json']);
    const all = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const cat = all.find(({ command, ended }) => command === 'cat /etc/hosts' && ended === 'exit');
    const there = `${file('good')}@${cat.end_instant}`;
    const shown = await hindsight(['top', there, '--window', `${cat.duration * 1000}ms`, '--json']);
    const rows = shown.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const [busiest] = rows;
    expect([busiest.pid, busiest.state]).toEqual([cat.pid, 'R']);
    expect(busiest.cpu_percent).toBeGreaterThan(50);
    expect(busiest.resident_kib).toBeGreaterThan(0);
    expect(rows.reduce((sum, row) => sum + row.cpu_percent, 0)).toBeLessThan(101);
    expect(rows.some(({ pid, comm }) => pid === 1 && comm === 'init')).toBe(true);
    // A window that reaches back before the recording's beginning is as long as that allows.
    const early = await hindsight(['top', `${file('good')}@1%`, '--window', '1h', '--count', '2']);
    expect(early.stdout.trim().split('\n')).toHaveLength(3);
    expect((await hindsight(['top', there, '--window', 'x'])).stderr).toContain('--window x: expected a time');
  });

  test('serve: JSON-RPC, with errors that say what to do', async () => {
    const ask = [
      { jsonrpc: '2.0', id: 1, method: 'console_search', params: { text: 'done' } },
      { jsonrpc: '2.0', id: 2, method: 'nix' },
      { jsonrpc: '2.0', id: 3, method: 'seek', params: { instant: 'soon' } },
      { jsonrpc: '2.0', id: 4, method: 'seek', params: {} },
      { jsonrpc: '2.0', id: 5, method: 'read_memory', params: { address: 'jiffies_64', length: 8, where: 1 } },
      { jsonrpc: '2.0', method: 'info' },
      { jsonrpc: '2.0', id: 6, method: 'info' },
    ];
    const input = `${ask.map((message) => JSON.stringify(message)).join('\n')}\nnot json\n7\n`;
    const { stdout, status } = await hindsight(['serve', file('good')], { input });
    expect(status).toBe(0);
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(answers.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, null, null]);
    expect(answers[0].result.list[0]).toMatchObject({ line: 'done', comm: expect.any(String) });
    expect(answers[1].error).toMatchObject({ code: -32601, message: expect.stringContaining('expected open, info') });
    expect(answers[2].error.message).toContain('expected instructions such as');
    expect(answers[3].error.message).toBe('seek: instant is missing');
    expect(answers[4].error.message).toContain('read_memory has no argument where');
    expect(answers[5].result).toMatchObject({ file: file('good'), harts: 1 });
    expect(answers[6].error.code).toBe(-32700);
    expect(answers[7].error.code).toBe(-32600);
  });

  test("mcp: the protocol's own client", async () => {
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [CLI, 'mcp'],
      env: process.env as Record<string, string>,
    });
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(transport);
    const call = async (name: string, args: Record<string, unknown> = {}) => {
      const { content, isError } = await client.callTool({ name, arguments: args });
      const { text } = (content as { readonly text: string }[])[0];
      return isError ? text : JSON.parse(text);
    };
    const { tools } = await client.listTools();
    expect(tools.length).toBeGreaterThanOrEqual(12);
    expect(tools.every(({ annotations, description }) => annotations?.readOnlyHint && description)).toBe(true);
    expect(await call('info')).toContain('no recording is open');
    expect(await call('open', { path: file('none') })).toContain('none.hsr');
    expect((await client.listResources()).resources).toEqual([]);
    await call('open', { path: file('bad') });
    const [{ uri }] = (await client.listResources()).resources;
    expect((await client.readResource({ uri })).contents[0]).toMatchObject({ mimeType: 'application/json' });
    // From what was printed to the call that failed and the stack it was made from.
    const { list } = await call('console_search', { text: 'hostz' });
    const failed = await call('query', {
      sql: `select instant, name from syscalls where pid = ${list[0].pid} and error = 'ENOENT' and args like '%hostz%'`,
    });
    expect(failed.rows[0][1]).toMatch(/^openat/);
    const there = await call('seek', { instant: String(failed.rows[0][0]) });
    expect(there.process.pid).toBe(list[0].pid);
    expect((await call('backtrace')).list[0]).toContain('do_trap_ecall_u');
    expect((await call('processes')).list.some(({ pid }: { pid: number }) => pid === list[0].pid)).toBe(true);
    const wrote = await call('who_wrote', { what: 'jiffies_64', instant: '100%' });
    expect(wrote).toMatchObject({ found: true, place: expect.stringContaining('tick_do_update_jiffies64') });
    const memory = await call('read_memory', { address: 'jiffies_64', length: 8, instant: wrote.instant });
    expect(memory.bytes).toBe(wrote.before);
    expect((await call('when', { expression: 'u64[jiffies_64]', instant: '0%', count: 1 })).changes).toHaveLength(1);
    expect((await call('probe', { script: 'kprobe:do_exit { @ = count(); }' })).hits).toBeGreaterThan(0);
    expect(await call('query', { sql: 'select' })).toContain('incomplete input');
    expect(await call('backtrace', { hart: 9 })).toContain('there is no hart 9');
    expect((await call('events')).list[0]).toMatchObject({ index: 0 });
    expect(await call('who_reads', { what: 'jiffies_64', instant: '100%' })).toMatchObject({ found: true });
    await client.close();
  });
});
