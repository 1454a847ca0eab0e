import { findBar } from '../terminal/find-bar.ts';
import { LiveTerminal } from '../terminal/live-terminal.ts';
import { PastTerminal } from '../terminal/past-terminal.ts';
import type { PageModel } from './model.ts';

const FIRST_FONT_SIZE = 14;
const [SMALLEST_FONT, LARGEST_FONT] = [8, 32];

/** What is done at the terminals. */
export interface TerminalActions {
  type(data: string | Uint8Array): void;
  resized(columns: number, rows: number): void;
  /** A character that was printed after so many instructions was clicked on. */
  goTo(instructions: number): void;
}

/** The terminal of the present and that of the past, in one place. */
export class Terminals {
  readonly live: LiveTerminal;
  private readonly past: PastTerminal;
  private readonly model: PageModel;
  private fontSize = FIRST_FONT_SIZE;

  constructor(live: HTMLElement, past: HTMLElement, model: PageModel, { type, resized, goTo }: TerminalActions) {
    this.model = model;
    this.live = new LiveTerminal(live, { typed: type, resized }, this.fontSize);
    this.past = new PastTerminal(past, model.history, this.fontSize, (offset) =>
      goTo(model.history.instructionsAt(offset) + 1),
    );
  }

  /** Shows what was there after so many instructions: the terminal of the past takes the other's place once it does. */
  async show(instructions: number, offset?: number): Promise<void> {
    await this.past.show(instructions, offset);
    const { state, previewing } = this.model.view.now;
    if (previewing || state?.mode === 'past') this.model.view.set({ showsPast: true });
  }

  /** The model has another history. */
  lookAgain(): void {
    this.past.look(this.model.history);
  }

  /** The history was cut: the present goes on from where it ends now. */
  cut(): void {
    const { history } = this.model;
    this.past.cut();
    this.live.terminal.reset();
    this.live.write(history.slice(0, history.length).slice());
  }

  find(place: HTMLElement): void {
    const { search } = this.model.state?.mode === 'past' ? this.past : this.live;
    findBar(place, search, () => this.live.focus());
  }

  changeFontSize(by: number): void {
    this.fontSize = Math.min(LARGEST_FONT, Math.max(SMALLEST_FONT, this.fontSize + by));
    this.live.setFontSize(this.fontSize);
    this.past.setFontSize(this.fontSize);
  }

  close(): void {
    this.live.close();
    this.past.close();
  }
}
