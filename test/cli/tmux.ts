import { execFileSync, spawnSync } from 'node:child_process';

/** Whether tmux is installed. */
export const haveTmux = spawnSync('tmux', ['-V']).status === 0;

/** A terminal that a test types into and looks at. */
export class Tmux {
  private readonly socket: string;

  /** Opens a window of the given size that runs `command` in a shell. */
  constructor(name: string, command: string, columns = 100, rows = 30) {
    this.socket = `hindsight-test-${process.pid}-${name}`;
    this.tmux('-f', '/dev/null', 'new-session', '-d', '-x', String(columns), '-y', String(rows), command);
  }

  /** Types text as it is. */
  type(text: string): void {
    this.tmux('send-keys', '-l', text);
  }

  /** Presses keys by tmux's names: Enter, C-a … */
  press(...keys: string[]): void {
    this.tmux('send-keys', ...keys);
  }

  /** The screen's text. */
  screen(): string {
    return this.tmux('capture-pane', '-p');
  }

  /** A format of tmux's, expanded for the window. */
  show(format: string): string {
    return this.tmux('display-message', '-p', format).trim();
  }

  resize(columns: number, rows: number): void {
    this.tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  /** Waits until the screen shows something. @throws Error with the screen when it does not in time */
  async until(expected: RegExp, milliseconds = 120_000): Promise<string> {
    const end = Date.now() + milliseconds;
    for (;;) {
      const screen = this.screen();
      if (expected.test(screen)) return screen;
      if (Date.now() > end) throw new Error(`the terminal never showed ${expected}:\n${screen}`);
      await new Promise((r) => setTimeout(r, 100));
    }
  }

  close(): void {
    spawnSync('tmux', ['-L', this.socket, 'kill-server']);
  }

  private tmux(...args: string[]): string {
    return execFileSync('tmux', ['-L', this.socket, ...args], { encoding: 'utf8' });
  }
}
