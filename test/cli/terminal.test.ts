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
    // Until the shell has given the terminal to sleep, Ctrl-C is its own affair: press again.
    for (let i = 0; i < 60 && !/\^C\s+root@hindsight:~#\s*$/.test(tmux.screen()); i++) {
      tmux.press('C-c');
      await new Promise((r) => setTimeout(r, 1000));
    }
    expect(tmux.screen()).toMatch(/\^C\s+root@hindsight:~#\s*$/);
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
    const tmux = await start('progress');
    await tmux.until(/^booting … \S+ s, \S+( [kMG])? instructions/m);
    await tmux.until(PROMPT);
    expect(tmux.screen()).not.toMatch(/booting/);
  });
});
