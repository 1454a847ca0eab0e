import { keepFile } from './kept-files.ts';

/** Milliseconds between writes of a recording that grows. */
const EVERY = 4000;

/** Keeps the recording of a live machine in the browser's storage while it runs, so that nothing is lost with the tab. */
export class Autosave {
  private readonly name: string;
  private readonly take: () => Promise<Blob>;
  private readonly onFailure: (error: unknown) => void;
  private readonly timer: ReturnType<typeof setInterval>;
  private dirty = false;
  private writing: Promise<void> | undefined;

  /** @param take the recording so far @param onFailure called once; nothing is kept from then on */
  constructor(name: string, take: () => Promise<Blob>, onFailure: (error: unknown) => void) {
    this.name = name;
    this.take = take;
    this.onFailure = onFailure;
    this.timer = setInterval(() => void this.save(), EVERY);
    document.addEventListener('visibilitychange', this.onHidden);
  }

  /** Something entered the machine. */
  changed(): void {
    this.dirty = true;
  }

  close(): void {
    clearInterval(this.timer);
    document.removeEventListener('visibilitychange', this.onHidden);
  }

  /** Writes what is not written yet. */
  async save(): Promise<void> {
    await this.writing;
    if (!this.dirty) return this.writing;
    this.dirty = false;
    this.writing = this.write();
    await this.writing;
  }

  private readonly onHidden = (): void => {
    if (document.visibilityState === 'hidden') void this.save();
  };

  private async write(): Promise<void> {
    try {
      await keepFile('recordings', this.name, await this.take());
    } catch (error) {
      this.close();
      this.onFailure(error);
    }
  }
}
