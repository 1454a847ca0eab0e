/** A host's network for tests: remembers what was asked of it and answers when told to. */
import type { Endpoint, IpAddress } from '../../src/net/address.ts';
import { formatEndpoint } from '../../src/net/address.ts';
import type { HostDatagrams, HostNetwork, HostStream, StreamHandler } from '../../src/net/host.ts';
import { Program } from './tcp-pair.ts';

export class FakeHost implements HostNetwork {
  readonly connections: { readonly to: string; readonly handler: StreamHandler; readonly program: Program }[] = [];
  readonly sockets: {
    readonly version: number;
    readonly received: (from: Endpoint, data: Uint8Array) => void;
    readonly sent: { readonly to: string; readonly data: Uint8Array }[];
    closed: boolean;
  }[] = [];
  names = new Map<string, readonly IpAddress[]>();
  queries: Uint8Array[] = [];
  own: string[] = [];

  connect(to: Endpoint, handler: StreamHandler): HostStream {
    const program = new Program();
    this.connections.push({ to: formatEndpoint(to), handler, program });
    return program;
  }

  datagrams(version: 4 | 6, received: (from: Endpoint, data: Uint8Array) => void): HostDatagrams {
    const socket = { version, received, sent: [] as { to: string; data: Uint8Array }[], closed: false };
    this.sockets.push(socket);
    return {
      send: (to, data) => void socket.sent.push({ to: formatEndpoint(to), data }),
      close: () => void (socket.closed = true),
    };
  }

  async lookup(name: string): Promise<readonly IpAddress[]> {
    if (name === 'broken.test') throw new Error('no resolver answers');
    return this.names.get(name) ?? [];
  }

  async query(message: Uint8Array): Promise<Uint8Array> {
    this.queries.push(message);
    const answer = message.slice();
    answer[2] |= 0x80;
    return answer;
  }

  isOwn(address: IpAddress): boolean {
    return this.own.includes(address.join('.'));
  }
}
