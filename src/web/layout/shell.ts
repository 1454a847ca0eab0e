import { html, nothing, type TemplateResult } from 'lit';
import type { SiteRecording } from '../guest/manifest.ts';
import { PANES } from '../panes/list.ts';
import type { Axis } from '../timeline/lane-data.ts';
import { LANES, type LaneName } from '../timeline/lanes.ts';
import { shortCount, shortTime } from '../timeline/units.ts';
import type { MachineState, StepKind } from '../worker/protocol.ts';
import { menu } from './menu.ts';

/** What the frame of the page shows. */
export interface ShellView {
  /** What is being loaded, and how much of it; undefined when nothing is. */
  readonly loading: { readonly text: string; readonly part?: number } | undefined;
  /** What went wrong and what to do, for the user to read and close. */
  readonly message: string | undefined;
  readonly state: MachineState | undefined;
  /** The playhead is dragged: the terminal shows what was there. */
  readonly previewing: boolean;
  /** The terminal of the past is the one that shows. */
  readonly showsPast: boolean;
  /** Address of the bench page. */
  readonly benchAddress: string;
  /** Millions of instructions in a second. */
  readonly mips: number | undefined;
  /** Name of the recording that is open. */
  readonly recording: string | undefined;
  /** Recordings of the site. */
  readonly recordings: readonly SiteRecording[];
  /** Names of the other ways that time went. */
  readonly futures: readonly string[];
  readonly openPanes: readonly string[];
  readonly hiddenLanes: ReadonlySet<LaneName>;
  readonly axis: Axis;
  readonly playing: boolean;
  readonly speed: number;
  /** A move is under way. */
  readonly busy: boolean;
  /** How much of it is done, 0 to 1, where it takes its time. */
  readonly moved: number | undefined;
  /** Part of the recording that was indexed; undefined when all of it is. */
  readonly indexed: number | undefined;
}

/** What the frame's controls do. */
export interface ShellActions {
  togglePane(name: string): void;
  toggleLane(name: LaneName): void;
  closeMessage(): void;
  step(kind: StepKind | 'line', direction: 1 | -1): void;
  togglePlay(): void;
  setSpeed(speed: number): void;
  mark(): void;
  goLive(): void;
  resumeHere(): void;
  pause(): void;
  /** Ends the move that is under way. */
  stopMove(): void;
  zoom(factor: number): void;
  showAll(): void;
  setAxis(axis: Axis): void;
  find(): void;
  fontSize(by: number): void;
  share(): void;
  help(): void;
  openFile(): void;
  /** @param address of a recording of the site */
  openRecording(address: string): void;
  goToFuture(index: number): void;
  files(): void;
  storage(): void;
  type(text: string): void;
}

const SPEEDS = [0.01, 0.1, 0.5, 1, 2, 10, 100];
const KEYS: readonly (readonly [string, string, string])[] = [
  ['Esc', '\x1b', 'Escape'],
  ['Tab', '\t', 'Tab'],
  ['^C', '\x03', 'Control C'],
  ['^D', '\x04', 'Control D'],
  ['^Z', '\x1a', 'Control Z'],
  ['←', '\x1b[D', 'Left'],
  ['↑', '\x1b[A', 'Up'],
  ['↓', '\x1b[B', 'Down'],
  ['→', '\x1b[C', 'Right'],
];

/** The frame of the page: header, terminal, panes, timeline. Elements with an id are filled by their own modules. */
export function shell(view: ShellView, actions: ShellActions): TemplateResult {
  const { state } = view;
  const past = state?.mode === 'past';
  return html`
    <header class="bar">
      <h1><span class="logo" aria-hidden="true"></span>Hindsight</h1>
      <span id="status" role="status">${statusText(view)}</span>
      <span class="spring"></span>
      ${
        view.recordings.length === 0
          ? nothing
          : menu(
              'recording-menu',
              'Recordings',
              view.recordings.map(
                ({ title, address }) => html`<button @click=${() => actions.openRecording(address)}>${title}</button>`,
              ),
            )
      }
      ${menu(
        'pane-menu',
        'Panes',
        PANES.map(
          ({ name, title, about }) =>
            html`<button aria-pressed=${view.openPanes.includes(name)} title=${about} @click=${() => actions.togglePane(name)}>${title}</button>`,
        ),
      )}
      <button title="Files of the guest: in and out" ?disabled=${state === undefined} @click=${actions.files}>Files</button>
      <button title="What this browser keeps" @click=${actions.storage}>Storage</button>
      <button title="Open a recording (.hsr)" @click=${actions.openFile}>Open…</button>
      <button title="A link, or a file" ?disabled=${state === undefined} @click=${actions.share}>Share</button>
      <a class="button" href=${view.benchAddress} title="How fast the engines are in this browser">Bench</a>
      <button aria-label="Keys" title="Keys, and how time is gone through" @click=${actions.help}>?</button>
    </header>
    ${
      view.message === undefined
        ? nothing
        : html`<div class="message" role="alert"><span>${view.message}</span><button @click=${actions.closeMessage} aria-label="Close this message">✕</button></div>`
    }
    <main class="work ${past ? 'past' : 'live'}">
      <section class="terminal-area" aria-label="Terminal">
        <div class="terminal-head">
          ${past ? pastBanner(view, actions) : state === undefined ? nothing : html`<span class="where">${state.halt === undefined ? 'Live' : 'Ended'}</span>`}
          <span class="spring"></span>
          <span id="find-place"></span>
          <button title="Find text in the terminal (Ctrl+Shift+F)" @click=${actions.find}>Find</button>
          <button aria-label="A−, smaller text" title="Smaller text" @click=${() => actions.fontSize(-1)}>A−</button>
          <button aria-label="A+, larger text" title="Larger text" @click=${() => actions.fontSize(1)}>A+</button>
        </div>
        <div class="terminals">
          <div id="live-terminal" ?hidden=${view.showsPast}></div>
          <div id="past-terminal" ?hidden=${!view.showsPast}></div>
          ${view.loading === undefined ? nothing : loading(view.loading)}
        </div>
        <div class="key-row" role="toolbar" aria-label="Keys">
          ${KEYS.map(([label, text, name]) => html`<button aria-label=${name} @click=${() => actions.type(text)}>${label}</button>`)}
        </div>
      </section>
      <div id="dock-splitter" class="splitter x" aria-label="Width of the panes" ?hidden=${view.openPanes.length === 0}></div>
      <aside id="dock" aria-label="Panes" ?hidden=${view.openPanes.length === 0}></aside>
    </main>
    <div id="timeline-splitter" class="splitter y" aria-label="Height of the timeline"></div>
    <section class="timeline" aria-label="Timeline">
      ${transport(view, actions)}
      <canvas id="lanes" tabindex="0" role="slider" aria-label="Playhead. Arrow keys move it, plus and minus zoom."></canvas>
    </section>
    <input type="file" id="file-input" accept=".hsr" hidden aria-hidden="true" tabindex="-1" />`;
}

function loading({ text, part }: { readonly text: string; readonly part?: number }): TemplateResult {
  return html`<div class="loading">
    <p>${text}</p>
    ${part === undefined ? nothing : html`<progress max="1" .value=${part} aria-label=${text}></progress>`}
  </div>`;
}

function statusText({ state, mips, loading: load, recording, indexed }: ShellView): string {
  if (load !== undefined) return load.text;
  if (state === undefined) return '';
  const parts = [
    ...(recording === undefined ? [] : [recording]),
    ...(state.halt === undefined ? [] : [`guest ended: ${state.halt}`]),
    `${shortCount(state.at.instructions)} instructions`,
    `guest time ${shortTime(state.time, 1e7)}`,
    ...(state.running && mips !== undefined ? [mips < 1 ? 'idle' : `${Math.round(mips)} MIPS`] : []),
    ...(indexed === undefined ? [] : [`making lanes: ${Math.floor(indexed * 100)} %`]),
  ];
  return parts.join(' · ');
}

function pastBanner({ state, recording }: ShellView, actions: ShellActions): TemplateResult {
  const back = state === undefined ? 0 : state.endTime - state.time;
  return html`
    <span class="where">${back <= 0 ? 'Stopped at the end' : html`The past: ${shortTime(back, 1e6)} before the end`}</span>
    <button class="primary" title="The machine goes on from this instant; what came after is kept as another future (G)" @click=${actions.resumeHere}>Go on from here</button>
    ${recording === undefined ? html`<button title="Back to the present, which goes on (L)" @click=${actions.goLive}>Back to now</button>` : nothing}`;
}

function transport(view: ShellView, actions: ShellActions): TemplateResult {
  const none = view.state === undefined;
  const step = (kind: StepKind | 'line', label: string, keys: string): TemplateResult => html`
    <span class="pair">
      <button ?disabled=${none} aria-label="Back one ${label}" title="Back one ${label} (${keys[0]})" @click=${() => actions.step(kind, -1)}>◂</button>
      <span aria-hidden="true">${label}</span>
      <button ?disabled=${none} aria-label="Forward one ${label}" title="Forward one ${label} (${keys[1]})" @click=${() => actions.step(kind, 1)}>▸</button>
    </span>`;
  return html`
    <div class="transport" role="toolbar" aria-label="Time">
      ${
        view.state?.mode === 'live'
          ? html`<button class="play" ?disabled=${none} title="Stop the machine and look at its past (Space)" @click=${actions.pause}>❚❚ Pause</button>`
          : html`<button class="play" ?disabled=${none} title="Show the past as it went by (Space)" @click=${actions.togglePlay}>${view.playing ? '❚❚ Stop' : '▶ Play'}</button>`
      }
      <label><span class="only-read">Speed</span>
        <select title="Speed of playing"  ?disabled=${none} @change=${(event: Event) => actions.setSpeed(Number((event.target as HTMLSelectElement).value))}>
          ${SPEEDS.map((speed) => html`<option value=${speed} ?selected=${speed === view.speed}>${speed} ×</option>`)}
        </select>
      </label>
      ${step('line', 'line', 'PN')} ${step('syscall', 'system call', '[]')} ${step('function', 'function', '{}')}
      ${step('instruction', 'instruction', ',.')}
      <button ?disabled=${none} title="Mark this instant, with a note (M)" @click=${actions.mark}>⚑ Mark</button>
      ${view.futures.map(
        (name, i) =>
          html`<button title="Go to the end of this future; what is here now stays in the picture" @click=${() => actions.goToFuture(i)}>↳ ${name}</button>`,
      )}
      <span class="busy" role="status">${view.busy ? `moving …${view.moved === undefined ? '' : ` ${Math.floor(100 * view.moved)} %`}` : ''}</span>
      ${view.busy && view.moved !== undefined ? html`<button title="End this move where it is (Escape)" @click=${actions.stopMove}>Stop moving</button>` : nothing}
      <span class="spring"></span>
      ${menu(
        'lane-menu',
        'Lanes',
        LANES.map(
          ([name, title]) =>
            html`<button aria-pressed=${!view.hiddenLanes.has(name)} @click=${() => actions.toggleLane(name)}>${title}</button>`,
        ),
      )}
      <label><span class="only-read">Axis</span>
        <select title="What the axis counts" @change=${(event: Event) => actions.setAxis((event.target as HTMLSelectElement).value as Axis)}>
          <option value="time" ?selected=${view.axis === 'time'}>guest time</option>
          <option value="instructions" ?selected=${view.axis === 'instructions'}>instructions</option>
        </select>
      </label>
      <span class="pair">
        <button aria-label="Zoom out" title="Zoom out (−)" @click=${() => actions.zoom(2)}>−</button>
        <button title="Show all of time (0)" @click=${actions.showAll}>All</button>
        <button aria-label="Zoom in" title="Zoom in (+)" @click=${() => actions.zoom(0.5)}>+</button>
      </span>
    </div>`;
}
