import { parseMac, parsePrefix } from './address.ts';
import { NetworkOptionError } from './policy.ts';
import type { ShaperOptions } from './shaper.ts';

/** What a machine's network device is wired to: how people say it. */
export interface WireOptions extends ShaperOptions {
  /** `user`: the host's network, by address translation · a switch by its name */
  readonly to: 'user' | { readonly switch: string };
  /** Bytes of an IP packet; default 1500. */
  readonly mtu?: number;
  /** The guest's address on a switch, with the bits of its network: `10.1.0.1/24`. */
  readonly address?: string;
  /** Ethernet address of the guest; default 52:54:00:12:34:56 on a network of its own, and one by chance on a switch. */
  readonly mac?: Uint8Array;
}

const UNITS = { '': 1, k: 1e3, m: 1e6, g: 1e9 } as const;

const complain = (text: string, what: string): never => {
  throw new NetworkOptionError(`--net ${text}: ${what}`);
};

/** Reads `user`, `switch:NAME`, with `,mtu=N,mac=M,rate=10M,delay=20ms,loss=1%,seed=N` after it. @throws NetworkOptionError */
export function parseWire(text: string): WireOptions {
  const [place, ...settings] = text.split(',');
  const name = /^switch:([\w.-]{1,64})$/.exec(place)?.[1];
  if (place !== 'user' && name === undefined)
    complain(text, 'expected none, user or switch:NAME (letters, digits, dots, dashes)');
  const found: { -readonly [K in keyof WireOptions]: WireOptions[K] } = {
    to: name === undefined ? 'user' : { switch: name },
  };
  for (const setting of settings) {
    const [key, value = ''] = setting.split('=');
    const number = (pattern: RegExp, what: string): RegExpExecArray =>
      pattern.exec(value) ?? complain(text, `${key}=${value}: expected ${what}`);
    switch (key) {
      case 'mtu':
        found.mtu = Number(number(/^\d{4,5}$/, 'a number from 1280 to 65535')[0]);
        if (found.mtu < 1280 || found.mtu > 65_535)
          complain(text, `mtu=${value}: expected a number from 1280 to 65535`);
        break;
      case 'mac':
        found.mac =
          parseMac(value) ?? complain(text, `mac=${value}: expected a unicast address such as 52:54:00:12:34:56`);
        break;
      case 'ip':
        found.address = /^[\d.]+\/\d+$/.test(value) && parsePrefix(value) !== undefined ? value : undefined;
        if (found.address === undefined)
          complain(text, `ip=${value}: expected an IPv4 address with its bits, such as 10.1.0.1/24`);
        break;
      case 'rate': {
        const [, digits, unit] = number(/^(\d+(?:\.\d+)?)([kmg]?)(?:bit)?$/i, 'bits per second, such as 10M or 512k');
        found.rate = Number(digits) * UNITS[unit.toLowerCase() as keyof typeof UNITS];
        if (found.rate < 1000) complain(text, `rate=${value}: expected 1k at least`);
        break;
      }
      case 'delay': {
        const [, digits, unit] = number(/^(\d+(?:\.\d+)?)(ms|s|us)?$/, 'a time, such as 20ms');
        found.delay = Number(digits) * (unit === 's' ? 1000 : unit === 'us' ? 0.001 : 1);
        if (found.delay > 60_000) complain(text, `delay=${value}: expected 60s at most`);
        break;
      }
      case 'loss': {
        const [, digits, percent] = number(/^(\d+(?:\.\d+)?)(%)?$/, 'a share, such as 1% or 0.01');
        found.loss = Number(digits) / (percent === undefined ? 1 : 100);
        if (found.loss > 1) complain(text, `loss=${value}: expected 100% at most`);
        break;
      }
      case 'seed':
        found.seed = Number(number(/^\d{1,10}$/, 'a number up to 4294967295')[0]) >>> 0;
        break;
      default:
        complain(text, `there is no setting "${key}": expected mtu, mac, ip, rate, delay, loss or seed`);
    }
  }
  return found;
}

/** Whether the wire is worse than it need be. */
export const isShaped = ({ rate, delay, loss }: ShaperOptions): boolean =>
  rate !== undefined || (delay ?? 0) > 0 || (loss ?? 0) > 0;
