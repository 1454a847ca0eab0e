import { html, type TemplateResult } from 'lit';
import { openDialog } from '../layout/dialog.ts';
import type { ShellActions } from '../layout/shell.ts';

/** What a key does on the timeline. */
interface KeyMeaning {
  readonly keys: readonly string[];
  readonly about: string;
  /** Left out for those that the timeline itself knows. */
  readonly act?: (actions: ShellActions, live: boolean) => void;
}

const step = (
  keys: readonly [back: string, on: string],
  kind: Parameters<ShellActions['step']>[0],
  about: string,
): readonly KeyMeaning[] => [
  { keys: [keys[0]], about: `back ${about}`, act: (actions) => actions.step(kind, -1) },
  { keys: [keys[1]], about: `forward ${about}`, act: (actions) => actions.step(kind, 1) },
];

const KEYS: readonly KeyMeaning[] = [
  {
    keys: [' '],
    about: 'pause; then play and stop',
    act: (actions, live) => (live ? actions.pause() : actions.togglePlay()),
  },
  { keys: ['←', '→'], about: 'move the playhead; with Shift ten times as far' },
  { keys: ['Home', 'End'], about: 'to the beginning, to the end' },
  ...step(['p', 'n'], 'line', 'one line of the console'),
  ...step(['[', ']'], 'syscall', 'one system call'),
  ...step(['{', '}'], 'function', 'out of the function: to its call, to its return'),
  ...step([',', '.'], 'instruction', 'one instruction'),
  { keys: ['Escape'], about: 'end a move that takes long', act: (actions) => actions.stopMove() },
  { keys: ['m'], about: 'mark this instant', act: (actions) => actions.mark() },
  { keys: ['g'], about: 'go on from here: a branch', act: (actions) => actions.resumeHere() },
  { keys: ['l'], about: 'back to the present', act: (actions) => actions.goLive() },
  { keys: ['+', '−', '0'], about: 'zoom in, out, show all; also by the wheel' },
  { keys: ['Page Up', 'Page Down'], about: 'pan; also by Shift and wheel' },
  { keys: ['?'], about: 'this list', act: (actions) => actions.help() },
];

/** Does what a key on the timeline means. @returns whether it means something */
export function actOnKey(key: string, actions: ShellActions, live: boolean): boolean {
  const meaning = KEYS.find(({ keys, act }) => act !== undefined && keys.includes(key));
  meaning?.act?.(actions, live);
  return meaning !== undefined;
}

/** What keys do, and how time is gone through. */
export function openHelpDialog(root: HTMLElement): void {
  const row = ({ keys, about }: KeyMeaning): TemplateResult => html`
    <dt>${keys.map((key) => html`<kbd>${key === ' ' ? 'Space' : key}</kbd> `)}</dt><dd>${about}</dd>`;
  openDialog(root, 'Keys').show(html`
    <p>Everything this machine does is kept. Drag the playhead, or click anywhere in the lanes, and the terminal shows what it showed then; click on text of the
      past to go to the instant that printed it. “Go on from here” lets the machine take another way, and keeps both.</p>
    <p>With the timeline in focus (click on it, or press Tab until it is):</p>
    <dl>${KEYS.map(row)}</dl>
    <p>In the terminal: Ctrl+Shift+C copies, Ctrl+Shift+V pastes, Ctrl+Shift+F finds.</p>`);
}
