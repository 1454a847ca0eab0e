import { html, nothing, render } from 'lit';

const COLORS = {
  matchBackground: '#5a4a1c',
  matchOverviewRuler: '#f2c55c',
  activeMatchBackground: '#8a6d1f',
  activeMatchColorOverviewRuler: '#ffdb85',
};

/** What searches a terminal's text: @xterm/addon-search. */
export interface TerminalSearch {
  findNext(text: string, options: { readonly decorations: typeof COLORS }): boolean;
  findPrevious(text: string, options: { readonly decorations: typeof COLORS }): boolean;
  clearDecorations(): void;
}

/** A field to search a terminal's text with: Enter for the one before, Shift+Enter for the one after, Escape ends it. */
export function findBar(place: HTMLElement, search: TerminalSearch, onClose: () => void): void {
  const close = (): void => {
    search.clearDecorations();
    render(nothing, place);
    onClose();
  };
  const onKey = (event: KeyboardEvent): void => {
    const { value } = event.target as HTMLInputElement;
    if (event.key === 'Escape') return close();
    if (event.key !== 'Enter') return;
    if (event.shiftKey) search.findNext(value, { decorations: COLORS });
    else search.findPrevious(value, { decorations: COLORS });
  };
  render(
    html`<input type="search" class="find" aria-label="Find in the terminal" placeholder="Find, Enter" @keydown=${onKey} />
      <button aria-label="End the search" @click=${close}>✕</button>`,
    place,
  );
  place.querySelector('input')?.focus();
}
