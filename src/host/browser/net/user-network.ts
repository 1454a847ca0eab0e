/** What a page's machine reaches of the network: all of it by a relay, or HTTP by `fetch`. */
import { type Endpoint, formatIp, type IpAddress } from '../../../net/address.ts';
import type { HostDatagrams, HostNetwork, HostStream, StreamHandler } from '../../../net/host.ts';
import { type GatewayRequest, type GatewayResponse, httpGateway } from '../../../net/http-gateway.ts';
import { SyntheticNames } from '../../../net/synthetic-names.ts';
import { type MessageSocket, type MessageSocketHandler, WispClient } from '../../../net/wisp-client.ts';

function openSocket(url: string, { message, closed }: MessageSocketHandler): MessageSocket {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  socket.onmessage = ({ data }) => data instanceof ArrayBuffer && message(new Uint8Array(data));
  socket.onclose = () => closed();
  return { send: (bytes) => socket.readyState === WebSocket.OPEN && socket.send(bytes as Uint8Array<ArrayBuffer>) };
}

/** The network behind a relay that speaks the Wisp protocol. @param url such as `ws://localhost:8081/` */
export const relayNetwork = (url: string): HostNetwork =>
  new WispClient({
    open: (handler) => openSocket(url, handler),
    after: (milliseconds, callback) => void setTimeout(callback, milliseconds),
  });

/**
 * HTTP by the browser's own requests: a connection of the guest's ends here, and what it asks for is fetched, as far as the server allows this page to
 * (CORS). Other protocols are reset: a page can't speak them. Names are the browser's to resolve.
 */
export class FetchNetwork implements HostNetwork {
  private readonly names = new SyntheticNames();

  connect({ address, port }: Endpoint, handler: StreamHandler): HostStream {
    const name = this.names.nameOf(address) ?? (address.length === 16 ? `[${formatIp(address)}]` : formatIp(address));
    const place = port === 80 ? name : `${name}:${port}`;
    return httpGateway(handler, (request) => fetched(place, request));
  }

  datagrams(): HostDatagrams {
    return { send: () => undefined, close: () => undefined };
  }

  lookup(name: string): Promise<readonly IpAddress[]> {
    return Promise.resolve([this.names.addressOf(name)]);
  }

  query(): Promise<Uint8Array> {
    return Promise.reject(new Error('a page cannot ask a resolver'));
  }

  isOwn(): boolean {
    return false;
  }
}

async function fetched(place: string, { method, target, headers, body }: GatewayRequest): Promise<GatewayResponse> {
  // A page that came over TLS may not fetch without it, but from this computer.
  const isLocal = /^(localhost|127\.|\[::1\])/.test(place);
  const scheme = location.protocol === 'https:' && !isLocal ? 'https' : 'http';
  let response: Response;
  try {
    const init: RequestInit = { method, headers: headers.map(([name, value]): [string, string] => [name, value]) };
    if (body !== undefined) init.body = body as Uint8Array<ArrayBuffer>;
    response = await fetch(`${scheme}://${place}${target}`, { ...init, redirect: 'follow', credentials: 'omit' });
  } catch {
    throw new Error(
      `${scheme}://${place} cannot be fetched by this page: it is not there, or it does not allow other origins (CORS); a relay reaches it`,
    );
  }
  const reader = response.body?.getReader();
  return {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
    async next() {
      return (await reader?.read())?.value;
    },
    cancel: () => void reader?.cancel().catch(() => undefined),
  };
}
