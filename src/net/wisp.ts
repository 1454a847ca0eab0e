/**
 * Packets of the Wisp protocol, version 1 (https://github.com/MercuryWorkshop/wisp-protocol): many connections over one WebSocket, a packet a
 * message. A packet is its type (u8), its stream (u32, little-endian) and what the type says.
 */

const TYPE = { connect: 1, data: 2, continue: 3, close: 4 } as const;
const PROTOCOL_NUMBER = { tcp: 1, udp: 2 } as const;
const HEADER = 5;
/** Most bytes of a name (RFC 1035, 2.3.4). */
const LONGEST_NAME = 255;

/** Why a stream is closed. */
export const WISP_CLOSE = {
  unknown: 0x01,
  voluntary: 0x02,
  networkError: 0x03,
  invalid: 0x41,
  unreachable: 0x42,
  timeout: 0x43,
  refused: 0x44,
  blocked: 0x48,
  throttled: 0x49,
  clientError: 0x81,
} as const;

export type WispPacket =
  /** Opens a stream to a name or address. */
  | {
      readonly type: 'connect';
      readonly stream: number;
      readonly protocol: 'tcp' | 'udp';
      readonly host: string;
      readonly port: number;
    }
  | { readonly type: 'data'; readonly stream: number; readonly data: Uint8Array }
  /** The server takes so many more data packets of this stream; of stream 0: of each new stream. */
  | { readonly type: 'continue'; readonly stream: number; readonly room: number }
  | { readonly type: 'close'; readonly stream: number; readonly reason: number };

/** Reads a message; undefined when it is no packet. Data is a view of the message. */
export function parseWisp(message: Uint8Array): WispPacket | undefined {
  if (message.length < HEADER) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const stream = view.getUint32(1, true);
  const rest = message.length - HEADER;
  switch (view.getUint8(0)) {
    case TYPE.connect: {
      const number = rest > 0 ? view.getUint8(HEADER) : 0;
      const protocol = number === PROTOCOL_NUMBER.tcp ? 'tcp' : number === PROTOCOL_NUMBER.udp ? 'udp' : undefined;
      if (protocol === undefined || rest < 4 || rest > 3 + LONGEST_NAME) return undefined;
      const host = new TextDecoder().decode(message.subarray(HEADER + 3));
      return { type: 'connect', stream, protocol, host, port: view.getUint16(HEADER + 1, true) };
    }
    case TYPE.data:
      return { type: 'data', stream, data: message.subarray(HEADER) };
    case TYPE.continue:
      return rest < 4 ? undefined : { type: 'continue', stream, room: view.getUint32(HEADER, true) };
    case TYPE.close:
      return rest < 1 ? undefined : { type: 'close', stream, reason: view.getUint8(HEADER) };
  }
  return undefined;
}

/** A packet as a message. */
export function wispMessage(packet: WispPacket): Uint8Array {
  const { type, stream } = packet;
  const body = bodyOf(packet);
  const message = new Uint8Array(HEADER + body.length);
  message[0] = TYPE[type];
  new DataView(message.buffer).setUint32(1, stream, true);
  message.set(body, HEADER);
  return message;
}

function bodyOf(packet: WispPacket): Uint8Array {
  switch (packet.type) {
    case 'connect': {
      const { port, protocol, host } = packet;
      return Uint8Array.of(PROTOCOL_NUMBER[protocol], port & 0xff, port >>> 8, ...new TextEncoder().encode(host));
    }
    case 'data':
      return packet.data;
    case 'continue': {
      const { room } = packet;
      return Uint8Array.of(room & 0xff, (room >>> 8) & 0xff, (room >>> 16) & 0xff, room >>> 24);
    }
    case 'close':
      return Uint8Array.of(packet.reason);
  }
}
