import { html, nothing, render, type TemplateResult } from 'lit';
import type { Focus } from '../focus/focus.ts';
import type { MappedStretch, PageTables } from '../worker/questions/page-tables.ts';
import type { OpenPane, PaneContext, PaneKind } from './pane.ts';

/** Where virtual addresses lead. */
export const pageTablesPane: PaneKind = {
  name: 'page-tables',
  title: 'Page tables',
  about: 'Where virtual addresses lead, for the hart or the process in focus.',
  mount: (host, context) => new PageTablesPane(host, context),
};

class PageTablesPane implements OpenPane {
  private readonly host: HTMLElement;
  private readonly context: PaneContext;

  constructor(host: HTMLElement, context: PaneContext) {
    this.host = host;
    this.context = context;
  }

  async update({ hart, process, address }: Focus): Promise<void> {
    render(this.view(await this.context.ask('pageTables', hart, process, address), address), this.host);
  }

  close(): void {
    render(nothing, this.host);
  }

  private view({ scheme, root, page, stretches, more }: PageTables, address: bigint | undefined): TemplateResult {
    if (scheme === 'none')
      return html`<p class="pane-note">Addresses are physical ones here: nothing is translated.</p>`;
    return html`
      <p class="pane-note">${scheme}, root table at 0x${root.toString(16)}.</p>
      ${address === undefined ? nothing : html`<p>${this.leaf(address, page)}</p>`}
      <table class="table code">
        <thead>
          <tr><th scope="col">From</th><th scope="col">To</th><th scope="col">Physical</th><th scope="col">Flags</th></tr>
        </thead>
        <tbody>${stretches.map((stretch) => this.row(stretch, address))}</tbody>
      </table>
      ${more ? html`<p class="pane-note">There are more; these are the first.</p>` : nothing}`;
  }

  private leaf(address: bigint, page: PageTables['page']): string {
    const what = `0x${address.toString(16)}`;
    if (page === undefined) return `${what} is not mapped.`;
    return `${what} is physical 0x${page.physical.toString(16)}, in a page of ${page.size / 1024} KiB, ${page.flags}.`;
  }

  private row({ start, end, physical, flags }: MappedStretch, address: bigint | undefined): TemplateResult {
    const holds = address !== undefined && address >= start && address < end;
    return html`
      <tr aria-current=${holds ? 'true' : nothing}>
        <td><button class="value" title="Look at this address" @click=${() => this.context.focus.set({ address: start })}>${start.toString(16)}</button></td>
        <td>${end.toString(16)}</td>
        <td>${physical.toString(16)}</td>
        <td>${flags}</td>
      </tr>`;
  }
}
