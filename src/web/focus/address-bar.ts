/** What the address of the page holds: the recording, the focus, the open panes, the marks. All of it is after the `#`: no server sees it. */
import { type Focus, instantText, NO_FOCUS, parseInstantText } from './focus.ts';

/** A place in time that somebody named. */
export interface Mark {
  /** Instructions. */
  readonly instructions: number;
  /** Guest time in nanoseconds. */
  readonly time: number;
  readonly note: string;
}

/** The view of a page as its address says it. */
export interface PageAddress {
  /** Address of a recording. */
  readonly recording?: string;
  readonly focus: Focus;
  /** Names of the panes that are open; undefined when the address says nothing. */
  readonly panes?: readonly string[];
  readonly marks: readonly Mark[];
}

const LONGEST_NOTE = 200;

/** Reads the part of an address after the `#`. What makes no sense is left out. */
export function readAddress(hash: string): PageAddress {
  const fields = new URLSearchParams(hash.replace(/^#/, ''));
  const at = parseInstantText(fields.get('at') ?? '');
  const address = /^(0x[0-9a-f]{1,16})$/i.exec(fields.get('addr') ?? '')?.[1];
  const recording = fields.get('rec');
  const panes = fields.get('panes');
  return {
    ...(recording && { recording }),
    focus: {
      ...NO_FOCUS,
      at,
      hart: integer(fields.get('hart')) ?? 0,
      process: integer(fields.get('pid')),
      address: address === undefined ? undefined : BigInt(address),
    },
    ...(panes !== null && { panes: panes.split(',').filter((name) => /^[a-z-]+$/.test(name)) }),
    marks: fields.getAll('mark').flatMap(readMark),
  };
}

/** The address of a view; readable, since people look at it. */
export function writeAddress({ recording, focus, panes, marks }: PageAddress): string {
  const fields = new URLSearchParams();
  if (recording !== undefined) fields.set('rec', recording);
  if (focus.at !== undefined) fields.set('at', instantText(focus.at));
  if (focus.hart !== 0) fields.set('hart', String(focus.hart));
  if (focus.process !== undefined) fields.set('pid', String(focus.process));
  if (focus.address !== undefined) fields.set('addr', `0x${focus.address.toString(16)}`);
  if (panes !== undefined) fields.set('panes', panes.join(','));
  for (const { instructions, time, note } of marks)
    fields.append('mark', `${instructions}~${Math.round(time)}~${note}`);
  const text = fields
    .toString()
    .replaceAll('%2C', ',')
    .replaceAll('%2F', '/')
    .replaceAll('%3A', ':')
    .replaceAll('%7E', '~');
  return text === '' ? '' : `#${text}`;
}

function readMark(text: string): Mark[] {
  const match = /^(\d{1,16})~(\d{1,16})~(.*)$/s.exec(text);
  if (match === null) return [];
  return [{ instructions: Number(match[1]), time: Number(match[2]), note: match[3].slice(0, LONGEST_NOTE) }];
}

function integer(text: string | null): number | undefined {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
