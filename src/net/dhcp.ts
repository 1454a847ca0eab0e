/** The server's side of DHCP (RFC 2131) for one small network. */
import { type IpAddress, keyOf, sameBytes } from './address.ts';

const MAGIC = [0x63, 0x82, 0x53, 0x63];
const FIXED = 236;
/** Some clients drop shorter messages, which BOOTP had (RFC 1542, 2.1). */
const MIN_MESSAGE = 300;

const OPTION = {
  pad: 0,
  subnetMask: 1,
  router: 3,
  dns: 6,
  mtu: 26,
  requestedAddress: 50,
  leaseTime: 51,
  messageType: 53,
  server: 54,
  renewal: 58,
  rebinding: 59,
  end: 255,
} as const;
const MESSAGE = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7, inform: 8 } as const;

export const DHCP_PORT = { server: 67, client: 68 } as const;

/** What the server tells its clients. */
export interface DhcpNetwork {
  readonly server: IpAddress;
  readonly mask: IpAddress;
  readonly router: IpAddress;
  readonly dns: IpAddress;
  readonly mtu: number;
  /** First address to give away; the others follow it. */
  readonly first: IpAddress;
  /** How many there are. */
  readonly count: number;
  /** Seconds. */
  readonly lease: number;
}

/** An answer, and where it goes. */
export interface DhcpReply {
  readonly message: Uint8Array;
  /** The client's address, where it can be reached by it; otherwise the answer is for everybody. */
  readonly to?: IpAddress;
  /** The client begins from nothing: what it had before is gone. */
  readonly fresh: boolean;
}

interface Request {
  readonly type: number;
  readonly mac: Uint8Array;
  readonly client: IpAddress;
  readonly requested?: IpAddress;
  readonly server?: IpAddress;
}

const NOWHERE = new Uint8Array(4);

/** Gives addresses away, each client (by its hardware address) always the same one, as long as there are enough. */
export class DhcpServer {
  private readonly network: DhcpNetwork;
  /** Clients by their hardware addresses, the one served longest ago first. */
  private readonly leases = new Map<string, number>();

  constructor(network: DhcpNetwork) {
    this.network = network;
  }

  /** Answers a message; undefined when there is nothing to say to it. */
  answer(message: Uint8Array): DhcpReply | undefined {
    const request = parse(message);
    if (request === undefined) return undefined;
    const { network } = this;
    if (request.server !== undefined && !sameBytes(request.server, network.server)) return undefined;
    const fresh = request.type === MESSAGE.discover;
    switch (request.type) {
      case MESSAGE.discover: {
        const offered = this.addressFor(request.mac);
        return { message: this.reply(message, MESSAGE.offer, offered, true), fresh };
      }
      case MESSAGE.request: {
        const wanted = request.requested ?? request.client;
        const given = this.addressFor(request.mac);
        if (!sameBytes(wanted, given)) return { message: this.reply(message, MESSAGE.nak, NOWHERE, false), fresh };
        const to = sameBytes(request.client, NOWHERE) ? {} : { to: request.client };
        return { message: this.reply(message, MESSAGE.ack, given, true), fresh, ...to };
      }
      case MESSAGE.inform:
        return { message: this.reply(message, MESSAGE.ack, NOWHERE, false), to: request.client, fresh };
    }
    return undefined; // decline and release: the address stays the client's, who else would want it
  }

  private addressFor(mac: Uint8Array): IpAddress {
    const { first, count } = this.network;
    const key = keyOf(mac);
    let index = this.leases.get(key);
    if (index === undefined) {
      const taken = new Set(this.leases.values());
      index = 0;
      while (index < count && taken.has(index)) index++;
      if (index === count) {
        const [[oldest, freed]] = this.leases;
        this.leases.delete(oldest);
        index = freed;
      }
    }
    this.leases.delete(key);
    this.leases.set(key, index);
    const address = first.slice();
    address[3] += index;
    return address;
  }

  private reply(request: Uint8Array, type: number, address: IpAddress, leased: boolean): Uint8Array {
    const { network } = this;
    const message = new Uint8Array(MIN_MESSAGE);
    message.set(request.subarray(0, FIXED));
    message[0] = 2;
    message[3] = 0;
    message.set(type === MESSAGE.nak ? NOWHERE : request.subarray(12, 16), 12);
    message.set(address, 16);
    message.set(network.server, 20);
    message.fill(0, 44, FIXED); // server name and boot file
    message.set(MAGIC, FIXED);
    let at = FIXED + 4;
    const put = (option: number, bytes: ArrayLike<number>): void => {
      message[at] = option;
      message[at + 1] = bytes.length;
      message.set(bytes, at + 2);
      at += 2 + bytes.length;
    };
    const u32 = (n: number): number[] => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
    put(OPTION.messageType, [type]);
    put(OPTION.server, network.server);
    if (type !== MESSAGE.nak) {
      put(OPTION.subnetMask, network.mask);
      put(OPTION.router, network.router);
      put(OPTION.dns, network.dns);
      put(OPTION.mtu, [network.mtu >>> 8, network.mtu & 255]);
    }
    if (leased) {
      put(OPTION.leaseTime, u32(network.lease));
      put(OPTION.renewal, u32(Math.floor(network.lease / 2)));
      put(OPTION.rebinding, u32(Math.floor((network.lease * 7) / 8)));
    }
    message[at] = OPTION.end;
    return message;
  }
}

function parse(message: Uint8Array): Request | undefined {
  const isRequest = message.length >= FIXED + 4 && message[0] === 1 && message[1] === 1 && message[2] === 6;
  if (!isRequest || !sameBytes(message.subarray(FIXED, FIXED + 4), Uint8Array.from(MAGIC))) return undefined;
  const options = new Map<number, Uint8Array>();
  for (let at = FIXED + 4; at < message.length && message[at] !== OPTION.end; ) {
    if (message[at] === OPTION.pad) {
      at++;
      continue;
    }
    const end = at + 2 + message[at + 1];
    if (!(end <= message.length)) return undefined;
    options.set(message[at], message.subarray(at + 2, end));
    at = end;
  }
  const type = options.get(OPTION.messageType)?.[0];
  if (type === undefined) return undefined;
  const address = (option: number): IpAddress | undefined => {
    const bytes = options.get(option);
    return bytes?.length === 4 ? bytes : undefined;
  };
  const requested = address(OPTION.requestedAddress);
  const server = address(OPTION.server);
  return {
    type,
    mac: message.subarray(28, 34),
    client: message.subarray(12, 16),
    ...(requested && { requested }),
    ...(server && { server }),
  };
}
