import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guest } from './guest.ts';
import { bundled, hindsight } from './hindsight.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** Every command line that README shows, without what npm needs and without comments. */
const commands = [...README.matchAll(/^npm run -s hindsight -- (.*?)(?:\s+#.*)?$/gm)].map((match) => match[1]!);

describe.skipIf(guest === undefined)('README', { timeout: 300_000 }, () => {
  let dir: string;
  beforeAll(async () => {
    await bundled;
    dir = mkdtempSync(join(tmpdir(), 'hindsight-readme-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('record, replay, info and branch work as written', async () => {
    const shown = (start: string): string[] => commands.find((command) => command.startsWith(start))!.split(' ');
    const here = { cwd: dir };
    const run = await hindsight(shown('run --record'), {
      ...here,
      input: 'date; head -c 8 /dev/urandom | sha256sum; sleep 2\nexit 0\n',
    });
    expect(run.status).toBe(0);
    const replay = await hindsight(shown('replay'), here);
    expect(replay.stderr).toMatch(/replayed \S+ [MG] instructions .*\d+ state hash(es)? compared, all equal/);
    expect(replay.status).toBe(0);
    expect(replay.stdout).toContain(run.stdout.split('\n')[1]);
    const info = await hindsight(shown('info'), here);
    expect(info.status).toBe(0);
    expect(info.stdout).toMatch(/uart +input/);
    const branch = await hindsight([...shown('branch'), '--timeout', '20s'], { ...here, input: '' });
    expect(branch.stderr).toMatch(/live again from \d+/);
  });

  test('every command line it shows is understood', async () => {
    expect(commands.length).toBeGreaterThan(4);
    for (const name of new Set(commands.map((command) => command.split(' ')[0]!))) {
      const help = await hindsight(['help', name]);
      expect(help.status).toBe(0);
      for (const flag of commands.filter((c) => c.startsWith(name)).flatMap((c) => c.match(/--[a-z-]+/g) ?? []))
        expect(help.stdout).toContain(flag);
    }
  });
});
