/** What one program took. */
export interface Measured {
  readonly name: string;
  /** Wall-clock time between its marker lines, in milliseconds. */
  readonly milliseconds: number;
  /** Instructions between them, where the engine counts. */
  readonly instructions?: number;
  /** What the program computed: engines must agree. */
  readonly value: string;
}

/** Finds the marker lines of bench/guest in console output as it comes. */
export class Marks {
  private line = '';
  private begun: { name: string; at: number; instructions: number } | undefined;
  /** Milliseconds from the start until the first userspace line was seen. */
  userspace: number | undefined;
  readonly results: Measured[] = [];
  private readonly started: number;
  private readonly now: () => number;
  private readonly instructions: (() => number) | undefined;

  /** @param now milliseconds @param instructions the engine's count, if it has one */
  constructor(now: () => number, instructions?: () => number) {
    this.now = now;
    this.instructions = instructions;
    this.started = now();
  }

  add(text: string): void {
    this.line += text;
    for (let end = this.line.indexOf('\n'); end >= 0; end = this.line.indexOf('\n')) {
      this.take(this.line.slice(0, end).trim());
      this.line = this.line.slice(end + 1);
    }
  }

  private take(line: string): void {
    if (line.includes('hindsight: userspace')) this.userspace ??= this.now() - this.started;
    const [mark, name, value] = line.replace(/^.*(?=bench:)/, '').split(' ');
    if (mark === 'bench:begin') this.begun = { name, at: this.now(), instructions: this.instructions?.() ?? 0 };
    if (mark !== 'bench:end' || this.begun?.name !== name) return;
    this.results.push({
      name,
      value,
      milliseconds: this.now() - this.begun.at,
      ...(this.instructions ? { instructions: this.instructions() - this.begun.instructions } : {}),
    });
    this.begun = undefined;
  }
}
