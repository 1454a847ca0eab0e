import { afterEach, describe, expect, test } from 'vitest';
import { guest } from './guest.ts';
import { bundled, CLI } from './hindsight.ts';
import { haveTmux, Tmux } from './tmux.ts';

const PROMPT = /root@hindsight:~# *$/m;
let terminal: Tmux | undefined;

/** A shell that starts the machine and afterwards says how the terminal is. */
async function start(name: string, flags = ''): Promise<Tmux> {
  await bundled;
  const after = `echo "status $?"; stty -a | grep -o -E -- '-?(icanon|echo|isig)\\b' | tr '\\n' ' '; echo sane?; exec cat`;
  terminal = new Tmux(name, `"${process.execPath}" "${CLI}" run --core wasm ${flags}; ${after}`);
  return terminal;
}

afterEach(() => {
  terminal?.close();
  terminal = undefined;
});

describe.skipIf(guest === undefined || !haveTmux)('a shell on the terminal', { timeout: 240_000 }, () => {
  test('boots to a prompt, takes keys, follows the size, and Ctrl-A x leaves the terminal sane', async () => {
    const tmux = await start('keys');
    await tmux.until(PROMPT);
    tmux.type('echo $((6*7)); stty size; tty');
    tmux.press('Enter');
    await tmux.until(/^42\n30 100\n\/dev\/ttyS0/m);
    tmux.type('sleep 1000');
    tmux.press('Enter');
    tmux.press('C-c');
    await tmux.until(/\^C\n+root@hindsight:~# *$/m);
    tmux.resize(90, 25);
    // The new size takes its way through the guest: ask until it is there.
    for (let i = 0; i < 20 && !/^25 90/m.test(tmux.screen()); i++) {
      tmux.type('stty size');
      tmux.press('Enter');
      await new Promise((r) => setTimeout(r, 500));
    }
    expect(tmux.screen()).toMatch(/^25 90/m);
    tmux.press('C-a', 'h');
    await tmux.until(/Ctrl-A x +leave/);
    tmux.press('C-a', 'c');
    await tmux.until(/paused after .* instructions/);
    tmux.press('Enter');
    tmux.press('C-a', 'x');
    const screen = await tmux.until(/sane\?/);
    expect(screen).toMatch(/^hindsight: \S+ M instructions in/m);
    expect(screen).toMatch(/^status 0$/m);
    expect(screen).toMatch(/^isig icanon echo sane\?/m);
  });

  test('Ctrl-A [ and ] go back and forth, and Enter goes on from the past', async () => {
    const tmux = await start('travel', '--quiet');
    await tmux.until(PROMPT);
    tmux.type('for i in 1 2 3 4 5 6 7 8 9; do sleep 1; echo tick $i; done');
    tmux.press('Enter');
    await tmux.until(/^tick 5$/m);
    tmux.press('C-a', '[');
    const [, first, end] = /^at (\S+) s of (\S+) s;/m.exec(await tmux.until(/^at \S+ s of/m))!;
    expect(Number(end) - Number(first)).toBeCloseTo(1, 1);
    tmux.press('[');
    tmux.press('[');
    const back = await tmux.until(new RegExp(`^at ${(Number(first) - 2).toFixed(2)}`, 'm'));
    expect(back).toMatch(/^tick 1$/m);
    expect(back).not.toMatch(/^tick 5$/m);
    tmux.press(']');
    await tmux.until(new RegExp(`^at ${(Number(first) - 1).toFixed(2)}`, 'm'));
    tmux.press('Enter');
    await tmux.until(/^tick 9$/m);
    expect(tmux.screen().match(/^tick \d$/gm)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => `tick ${i}`));
    tmux.type('echo alive');
    tmux.press('Enter');
    await tmux.until(/^alive$/m);
  });

  test('poweroff in the guest ends it', async () => {
    const tmux = await start('poweroff', '--quiet');
    await tmux.until(PROMPT);
    tmux.type('poweroff');
    tmux.press('Enter');
    const screen = await tmux.until(/sane\?/);
    expect(screen).toMatch(/^status 0$/m);
    expect(screen).toMatch(/isig icanon echo sane\?/);
  });

  test('a signal restores the terminal, and modes of the guest are undone', async () => {
    const tmux = await start('signal', '--timeout 20s');
    await tmux.until(PROMPT);
    tmux.type("printf '\\033[?1049h\\033[?25l'; echo full screen");
    tmux.press('Enter');
    await tmux.until(/^full screen/m);
    const screen = await tmux.until(/sane\?/);
    expect(screen).toMatch(/^status 124$/m);
    expect(screen).toMatch(/isig icanon echo sane\?/);
    expect(tmux.show('#{alternate_on} #{cursor_flag}')).toBe('0 1');
  });

  test('the boot shows its progress', async () => {
    const tmux = await start('progress', '--cold');
    await tmux.until(/^booting … \S+ s, \S+( [kMG])? instructions/m);
    await tmux.until(PROMPT);
    expect(tmux.screen()).not.toMatch(/booting/);
  });
});
