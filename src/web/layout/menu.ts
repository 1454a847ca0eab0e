import { html, type TemplateResult } from 'lit';

/** Closes a menu that the focus leaves. */
const onFocusOut = ({ currentTarget, relatedTarget }: FocusEvent): void => {
  const details = currentTarget as HTMLDetailsElement;
  if (!details.contains(relatedTarget as Node | null)) details.open = false;
};

const onKey = (event: KeyboardEvent): void => {
  if (event.key !== 'Escape') return;
  const details = event.currentTarget as HTMLDetailsElement;
  details.open = false;
  details.querySelector('summary')?.focus();
};

/** A button that opens a list of others. */
export const menu = (id: string, title: string, items: readonly TemplateResult[]): TemplateResult => html`
  <details class="menu" id=${id} @focusout=${onFocusOut} @keydown=${onKey}>
    <summary>${title}</summary>
    <!-- Takes the focus where a button that is clicked on does not. -->
    <ul tabindex="-1">${items.map((item) => html`<li>${item}</li>`)}</ul>
  </details>`;
