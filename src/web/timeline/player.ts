/** What playing needs. Times are guest time in nanoseconds. */
export interface Played {
  time(): number;
  end(): number;
  /** Resolves when it shows. */
  show(time: number): Promise<void>;
  changed(playing: boolean): void;
}

/** Lets the past go by at a speed: 1 is guest time as it was. */
export class Player {
  private readonly played: Played;
  private speed = 1;
  private run = 0;

  constructor(played: Played) {
    this.played = played;
  }

  toggle(speed: number): void {
    if (this.run !== 0) return this.stop();
    this.speed = speed;
    this.run = performance.now();
    this.played.changed(true);
    void this.play(this.run);
  }

  setSpeed(speed: number): void {
    this.speed = speed;
  }

  stop(): void {
    if (this.run === 0) return;
    this.run = 0;
    this.played.changed(false);
  }

  private async play(run: number): Promise<void> {
    let at = this.played.time();
    let before = performance.now();
    while (this.run === run && at < this.played.end()) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
      const now = performance.now();
      at = Math.min(this.played.end(), at + (now - before) * 1e6 * this.speed);
      before = now;
      if (this.run !== run) return;
      try {
        await this.played.show(at);
      } catch {
        break;
      }
    }
    if (this.run === run) this.stop();
  }
}
