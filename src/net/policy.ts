/** Which destinations a guest may reach. */
import { type Endpoint, type IpAddress, inPrefix, ip, keyOf, type Prefix, parsePrefix, unmapped } from './address.ts';

/** A destination that is allowed: a block of addresses or names, and perhaps one port. */
interface Pattern {
  readonly text: string;
  readonly prefix?: Prefix;
  /** `example.org`, or `.example.org` for all names under it. */
  readonly name?: string;
  readonly port?: number;
}

/** A network option that can't be: names it and what was expected. */
export class NetworkOptionError extends Error {
  override name = 'NetworkOptionError';
}

const EXPECTED =
  'expected an address (192.0.2.1), a block (10.0.0.0/8, 2001:db8::/32), a name (example.org) or all names under one (*.example.org), and perhaps a port (example.org:443, [2001:db8::1]:80)';

function parsePattern(text: string): Pattern {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  const plain = /^([^:]*)(?::(\d+))?$/.exec(text);
  const [, place, digits] = bracketed ?? plain ?? [text, text, undefined];
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && !(port >= 1 && port <= 65_535))
    throw new NetworkOptionError(`--allow ${text}: port ${digits} is none; expected 1 to 65535`);
  const rest = { text, ...(port !== undefined && { port }) };
  if (place === '*') return rest;
  const prefix = parsePrefix(place);
  if (prefix !== undefined) return { ...rest, prefix };
  const name = /^(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*)\.?$/i.exec(place);
  // What looks like an address and is none is a mistake, not a name.
  if (name === null || /^[\d.]+$/.test(place) || bracketed !== null)
    throw new NetworkOptionError(`--allow ${text}: ${EXPECTED}`);
  return { ...rest, name: `${name[1] === undefined ? '' : '.'}${name[2].toLowerCase()}` };
}

/** Addresses that mean the host itself, or whoever listens on its own link only. */
const HOST_PREFIXES = ['0.0.0.0/8', '127.0.0.0/8', '::/128', '::1/128'].map((text) => parsePrefix(text)!);
/** Addresses that no connection can be made to. */
const NOWHERE = ['224.0.0.0/3', 'ff00::/8'].map((text) => parsePrefix(text)!);

/** Names remembered for addresses that were answered for them. */
const MAX_NAMED = 4096;

export interface PolicyOptions {
  /** Patterns of destinations; without it all are allowed. */
  readonly allow?: readonly string[];
  /** Whether the guest may reach the host itself: its loopback by the gateway's address, and its own addresses. */
  readonly allowHost?: boolean;
}

/** Says which destinations are allowed. Names are known by the answers that the guest's resolver gave. */
export class Policy {
  readonly allowHost: boolean;
  private readonly patterns: readonly Pattern[] | undefined;
  private readonly names = new Map<string, Set<string>>();

  /** @throws NetworkOptionError for a pattern that is none */
  constructor({ allow, allowHost = false }: PolicyOptions = {}) {
    this.patterns = allow?.map(parsePattern);
    this.allowHost = allowHost;
  }

  /** Whether the guest may ask for this name. Who may reach only some names could tell others by asking. */
  allowsName(name: string): boolean {
    return this.patterns === undefined || this.patterns.some((pattern) => matchesName(pattern, name));
  }

  /** Whether the guest may ask for anything else than addresses of names. */
  get allowsEverything(): boolean {
    return this.patterns === undefined;
  }

  /** The resolver has answered: these are the name's addresses. */
  named(name: string, addresses: readonly IpAddress[]): void {
    if (this.patterns === undefined) return;
    for (const address of addresses) {
      const key = keyOf(address);
      const names = this.names.get(key) ?? new Set();
      this.names.delete(key);
      this.names.set(key, names.add(name));
    }
    for (const key of this.names.keys()) {
      if (this.names.size <= MAX_NAMED) break;
      this.names.delete(key);
    }
  }

  /** Whether a destination outside may be reached. @param isOwn whether an address is one of the host's */
  allows({ address, port }: Endpoint, isOwn: (address: IpAddress) => boolean): boolean {
    const plain = unmapped(address);
    if (NOWHERE.some((prefix) => inPrefix(plain, prefix))) return false;
    if (!this.allowHost && (HOST_PREFIXES.some((prefix) => inPrefix(plain, prefix)) || isOwn(plain))) return false;
    if (this.patterns === undefined) return true;
    const names = [...(this.names.get(keyOf(address)) ?? [])];
    return this.patterns.some((pattern) => {
      if (pattern.port !== undefined && pattern.port !== port) return false;
      if (pattern.prefix !== undefined) return inPrefix(plain, pattern.prefix);
      return pattern.name === undefined || names.some((name) => matchesName(pattern, name));
    });
  }
}

function matchesName(pattern: Pattern, name: string): boolean {
  if (pattern.prefix !== undefined) return false;
  if (pattern.name === undefined) return true;
  return pattern.name.startsWith('.') ? name.endsWith(pattern.name) : name === pattern.name;
}

/** The loopback address of the host for a version of IP. */
export const loopback = (version: 4 | 6): IpAddress => ip(version === 4 ? '127.0.0.1' : '::1');
