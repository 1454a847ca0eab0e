import { expect, test } from 'vitest';
import { hindsight } from './hindsight.ts';

test.each([
  [['help'], 'Usage: hindsight [options] [command]'],
  [['help', 'run'], 'Usage: hindsight run [options]'],
  [['help', 'guest'], 'Usage: hindsight guest [options] [command]'],
  [['help', 'guest', 'build'], 'Usage: hindsight guest build [options]'],
  [['help', 'help'], 'Usage: hindsight help [options] [command...]'],
])('%j shows the help of that command', async (args, usage) => {
  const { status, stdout, stderr } = await hindsight(args);
  expect(stdout.split('\n')[0]).toBe(usage);
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

test('every command stands under a heading that says what it is for', async () => {
  const { stdout } = await hindsight(['help']);
  expect(stdout).toContain('Run a machine:\n  run [options]');
  expect(stdout).not.toContain('Commands:');
});

test.each([
  [['help', 'nix'], 'hindsight: help: nix is no command of hindsight: expected one of run, '],
  [['help', 'guest', 'nix'], 'hindsight: help: nix is no command of hindsight guest: expected one of build, list'],
  [['help', 'run', 'nix'], 'hindsight: help: nix is no command of hindsight run: it has no commands below it'],
])('%j is refused', async (args, message) => {
  const { status, stdout, stderr } = await hindsight(args);
  expect(stderr).toContain(message);
  expect(stdout).toBe('');
  expect(status).toBe(2);
});
