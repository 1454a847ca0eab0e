import { formatCount, formatSeconds } from './values.ts';

const CLEAR = '\r\x1b[K';
const INTERVAL = 100;

/** A line on standard error that is overwritten while something takes its time. Shown on a terminal only. */
export class ProgressLine {
  private timer: NodeJS.Timeout | undefined;
  private shown = false;
  private readonly start = performance.now();
  private readonly text: (milliseconds: number) => string;

  /** @param text the line, given the time that has passed @param wanted whether to show it at all */
  constructor(wanted: boolean, text: (milliseconds: number) => string) {
    this.text = text;
    if (!wanted || !process.stderr.isTTY) return;
    this.timer = setInterval(() => this.draw(), INTERVAL);
    this.timer.unref();
  }

  /** Takes the line away for good. May be called often. */
  end(): void {
    if (this.timer === undefined) return;
    clearInterval(this.timer);
    this.timer = undefined;
    if (this.shown) process.stderr.write(CLEAR);
  }

  private draw(): void {
    const width = (process.stderr.columns || 80) - 1;
    process.stderr.write(`${CLEAR}${dim(this.text(performance.now() - this.start).slice(0, width))}`);
    this.shown = true;
  }
}

/** Less bright, where colours are wanted (https://no-color.org). */
function dim(text: string): string {
  return process.env.NO_COLOR || process.env.TERM === 'dumb' ? text : `\x1b[2m${text}\x1b[0m`;
}

/** The line shown while the guest boots. */
export function bootText(milliseconds: number, instructions: number): string {
  return `booting … ${formatSeconds(milliseconds)}, ${formatCount(instructions)} instructions`;
}
