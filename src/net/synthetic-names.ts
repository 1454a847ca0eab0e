import { type IpAddress, keyOf } from './address.ts';

/** Names remembered; those not asked for longest are forgotten. */
const MOST_NAMES = 65_536;
/** 198.18.0.0/15 is for tests of devices (RFC 2544): no host on the Internet has an address in it. */
const FIRST = (198 << 24) | (18 << 16);

/** Gives names addresses of their own, where connections are made by name and nobody here can resolve one. */
export class SyntheticNames {
  private readonly numbers = new Map<string, number>();
  private readonly names = new Map<string, string>();
  private next = 1;

  /** The address that means this name. */
  addressOf(name: string): IpAddress {
    let number = this.numbers.get(name);
    if (number === undefined) {
      if (this.numbers.size >= MOST_NAMES) {
        const [[oldest, free]] = this.numbers;
        this.numbers.delete(oldest);
        number = free;
      } else number = this.next++;
      this.names.set(keyOf(addressOfNumber(number)), name);
    }
    this.numbers.delete(name);
    this.numbers.set(name, number);
    return addressOfNumber(number);
  }

  /** The name that an address means, if it is one of these. */
  nameOf(address: IpAddress): string | undefined {
    return this.names.get(keyOf(address));
  }
}

function addressOfNumber(number: number): IpAddress {
  const value = FIRST + number;
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}
