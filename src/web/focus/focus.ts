import type { Instant } from '../../record/door.ts';

/** What all panes look at: one instant, one hart, one process, one address. */
export interface Focus {
  /** Undefined: the present of a live machine, wherever that is. */
  readonly at: Instant | undefined;
  readonly hart: number;
  /** Number of a process of the guest. */
  readonly process: number | undefined;
  /** Virtual, as the hart sees it. */
  readonly address: bigint | undefined;
}

export const NO_FOCUS: Focus = { at: undefined, hart: 0, process: undefined, address: undefined };

/** `123456` or `123456.7`: instructions, and the sequence where it is not 0. */
export const instantText = ({ instructions, sequence }: Instant): string =>
  sequence === 0 ? String(instructions) : `${instructions}.${sequence}`;

/** @returns undefined when the text is no instant */
export function parseInstantText(text: string): Instant | undefined {
  const match = /^(\d{1,16})(?:\.(\d{1,10}))?$/.exec(text);
  if (match === null) return undefined;
  return { instructions: Number(match[1]), sequence: Number(match[2] ?? 0) };
}
