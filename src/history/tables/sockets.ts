import { BEGIN, beginCells, END, endCells, type HistoryTable, type Moment, missing, momentOf, WHO } from '../table.ts';
import type { Who } from '../tracer.ts';

/** Address families (Linux include/linux/socket.h). */
const FAMILIES: Readonly<Record<number, string>> = { 1: 'unix', 2: 'inet', 10: 'inet6', 16: 'netlink', 17: 'packet' };
const TYPES: Readonly<Record<number, string>> = { 1: 'stream', 2: 'datagram', 3: 'raw', 5: 'seqpacket' };
const INET = 2;
const INET6 = 10;

/** A socket with what passed through it. */
interface OpenSocket {
  readonly begin: Moment;
  readonly who: Who;
  family: string;
  type: string;
  local: string | null;
  remote: string | null;
  sent: number;
  received: number;
}

/** Text of an address and port, in network order. */
function endpoint(address: Uint8Array, port: number): string | null {
  if (port === 0 && address.every((byte) => byte === 0)) return null;
  if (address.length === 4) return `${address.join('.')}:${port}`;
  const words = Array.from({ length: 8 }, (_, i) => ((address[2 * i] << 8) | address[2 * i + 1]).toString(16));
  return `[${words
    .join(':')
    .replace(/\b0(:0)+\b/, ':')
    .replace(/:{3,}/, '::')}]:${port}`;
}

/** Sockets with what was sent and received. */
export const sockets: HistoryTable = {
  name: 'sockets',
  about: 'sockets with their traffic: a row from first use to close',
  columns: [
    ...BEGIN,
    ...END,
    ...WHO,
    { name: 'family', type: 'text', about: 'inet, inet6, unix, netlink …' },
    { name: 'type', type: 'text', about: 'stream, datagram …' },
    { name: 'local', type: 'text', about: 'address:port; null where there is none' },
    { name: 'remote', type: 'text', about: 'address:port; null where there is none' },
    { name: 'bytes_sent', type: 'integer', about: 'bytes that were sent' },
    { name: 'bytes_received', type: 'integer', about: 'bytes that were received' },
  ],
  fromBeginning: true,
  watch(tracer, emit, { pid }) {
    const { kernel } = tracer;
    const open = new Map<bigint, OpenSocket>();
    const bytes = (sock: bigint, path: string): Uint8Array => {
      const { offset, size } = kernel.field('sock', path);
      return kernel.read(sock + BigInt(offset), size);
    };
    const bigEndian = (sock: bigint, path: string): number => {
      const [high, low] = bytes(sock, path);
      return (high << 8) | low;
    };
    /** Notes what a socket is called now; a closed one has lost its addresses. */
    const look = (socket: bigint, made: OpenSocket): void => {
      const sock = kernel.get('socket', socket, 'sk');
      const type = Number(kernel.get('socket', socket, 'type'));
      made.type = TYPES[type] ?? `type ${type}`;
      if (sock === 0n) return;
      const family = Number(kernel.get('sock', sock, '__sk_common.skc_family'));
      made.family = FAMILIES[family] ?? `family ${family}`;
      if (family !== INET && family !== INET6) return;
      const six = family === INET6;
      const part = (four: string, sixth: string): Uint8Array => bytes(sock, `__sk_common.${six ? sixth : four}`);
      const port = Number(kernel.get('sock', sock, '__sk_common.skc_num'));
      made.local = endpoint(part('skc_rcv_saddr', 'skc_v6_rcv_saddr'), port) ?? made.local;
      made.remote =
        endpoint(part('skc_daddr', 'skc_v6_daddr'), bigEndian(sock, '__sk_common.skc_dport')) ?? made.remote;
    };
    const known = (socket: bigint, hart: number): OpenSocket => {
      let made = open.get(socket);
      if (made === undefined) {
        made = {
          begin: momentOf(tracer),
          who: tracer.who(hart),
          family: '',
          type: '',
          local: null,
          remote: null,
          sent: 0,
          received: 0,
        };
        open.set(socket, made);
      }
      look(socket, made);
      return made;
    };
    const close = (socket: bigint, end: Moment | undefined): void => {
      const made = open.get(socket);
      open.delete(socket);
      if (made === undefined || (pid !== undefined && made.who.pid !== pid)) return;
      const { begin, who, family, type, local, remote, sent, received } = made;
      const cells = [family, type, local, remote, sent, received];
      emit([...beginCells(begin), ...endCells(begin, end), who.pid, who.tid, who.comm, ...cells]);
    };
    /** A function whose first argument is the socket. */
    const used = (name: string, count: (made: OpenSocket, result: number) => void): boolean =>
      tracer.on(name, (hart) => {
        const socket = tracer.argument(hart, 0);
        known(socket, hart);
        tracer.returned(hart, (after) => {
          const result = Number(BigInt.asIntN(32, tracer.argument(after, 0)));
          if (open.has(socket)) count(known(socket, after), result);
        });
      });
    const sends = ['sock_sendmsg', '__sock_sendmsg'].map((name) =>
      used(name, (made, result) => {
        if (result > 0) made.sent += result;
      }),
    );
    const receives = ['sock_recvmsg'].map((name) =>
      used(name, (made, result) => {
        if (result > 0) made.received += result;
      }),
    );
    if (!sends.includes(true)) throw missing('sockets', 'sock_sendmsg');
    if (!receives.includes(true)) throw missing('sockets', 'sock_recvmsg');
    for (const name of ['inet_stream_connect', 'inet_dgram_connect', 'inet_bind', 'inet_listen', 'unix_stream_connect'])
      used(name, () => {});
    if (!tracer.on('__sock_release', (hart) => close(tracer.argument(hart, 0), momentOf(tracer))))
      throw missing('sockets', '__sock_release');
    return () => {
      for (const socket of [...open.keys()]) close(socket, undefined);
    };
  },
};
