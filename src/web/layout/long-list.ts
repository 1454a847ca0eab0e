import { html, render, type TemplateResult } from 'lit';

/** Rows beyond both edges that are there, so that scrolling shows no gap. */
const BEYOND = 8;

/** A list of which only the rows in sight are in the page. All rows are of one height. */
export class LongList {
  private readonly scroller: HTMLElement;
  private readonly rowHeight: number;
  private readonly row: (index: number) => TemplateResult;
  private readonly onEnd: () => void;
  private readonly watcher: ResizeObserver;
  private element: HTMLElement | undefined;
  private count = 0;

  /**
   * @param scroller what scrolls @param rowHeight in CSS pixels @param row an `li`
   * @param onEnd called when the last row is in sight
   */
  constructor(scroller: HTMLElement, rowHeight: number, row: (index: number) => TemplateResult, onEnd: () => void) {
    this.scroller = scroller;
    this.rowHeight = rowHeight;
    this.row = row;
    this.onEnd = onEnd;
    this.watcher = new ResizeObserver(() => this.draw());
    this.watcher.observe(scroller);
    scroller.addEventListener('scroll', this.draw);
  }

  /** Where the list is put: a `div.long-list`. @param count of its rows */
  show(element: HTMLElement, count: number): void {
    this.element = element;
    this.count = count;
    element.style.height = `${count * this.rowHeight}px`;
    this.draw();
  }

  /** Scrolls a row into sight, if it is not. */
  reveal(index: number): void {
    if (this.element === undefined) return;
    const place = index * this.rowHeight - this.hidden(this.element);
    const { clientHeight } = this.scroller;
    if (place < 0 || place + this.rowHeight > clientHeight) this.scroller.scrollTop += place - clientHeight / 3;
    this.draw();
  }

  close(): void {
    this.watcher.disconnect();
    this.scroller.removeEventListener('scroll', this.draw);
  }

  /** Pixels of the list that are above what is in sight. */
  private hidden(element: HTMLElement): number {
    return this.scroller.getBoundingClientRect().top - element.getBoundingClientRect().top;
  }

  private readonly draw = (): void => {
    const { element, count, rowHeight } = this;
    if (element === undefined) return;
    const top = this.hidden(element);
    const first = Math.min(count, Math.max(0, Math.floor(top / rowHeight) - BEYOND));
    const last = Math.min(count, Math.ceil((top + this.scroller.clientHeight) / rowHeight) + BEYOND);
    const rows = Array.from({ length: Math.max(0, last - first) }, (_, i) => this.row(first + i));
    render(html`<ol class="code" style=${`top: ${first * rowHeight}px`}>${rows}</ol>`, element);
    if (last === count && count > 0) this.onEnd();
  };
}
