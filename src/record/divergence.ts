import type { Instant } from './door.ts';

/** What is known of the place where a replay left its recording. */
export interface DivergencePlace {
  readonly at: Instant;
  /** Hart whose turn it is. */
  readonly hart: number;
  /** Its program counter. */
  readonly pc: bigint;
  /** The symbol that lies in, if it is known: `name+0x10`. */
  readonly symbol?: string;
}

/** `123456` or `123456.2`. */
export function formatInstant({ instructions, sequence }: Instant): string {
  return sequence === 0 ? `${instructions}` : `${instructions}.${sequence}`;
}

/** A replay did something else than the recording says. Always a defect, or a machine that is not the recorded one. */
export class DivergenceError extends Error {
  override name = 'DivergenceError';
  readonly place: DivergencePlace;
  /** What differs, e.g. `entropy asked by rng`. */
  readonly field: string;
  readonly expected: string;
  readonly found: string;

  constructor(place: DivergencePlace, field: string, expected: string, found: string) {
    super(
      `replay diverged at instant ${formatInstant(place.at)}, hart ${place.hart}, pc 0x${place.pc.toString(16)}${place.symbol === undefined ? '' : ` <${place.symbol}>`}: ` +
        `${field}: expected ${expected}, found ${found}`,
    );
    this.place = place;
    this.field = field;
    this.expected = expected;
    this.found = found;
  }

  /** The same error, with the symbol that its pc lies in. */
  withSymbol(symbol: string): DivergenceError {
    return new DivergenceError({ ...this.place, symbol }, this.field, this.expected, this.found);
  }
}
