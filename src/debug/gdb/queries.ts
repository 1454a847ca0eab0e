import { fromHex, toHex } from '../../bytes/hex.ts';
import { compareInstants } from '../../record/door.ts';
import type { GdbClient } from './client.ts';
import { readDocument } from './documents.ts';
import { ERROR, latin1, MAX_TRANSFER, PACKET_SIZE, type PacketAnswer } from './packets.ts';

const FEATURES = [
  `PacketSize=${PACKET_SIZE.toString(16)}`,
  'QStartNoAckMode+',
  'qXfer:features:read+',
  'qXfer:memory-map:read+',
  'qXfer:threads:read+',
  'qXfer:osdata:read+',
  'qXfer:auxv:read+',
  'qXfer:exec-file:read+',
  'qXfer:libraries-svr4:read+',
  'vContSupported+',
  'ReverseStep+',
  'ReverseContinue+',
  'swbreak+',
  'hwbreak+',
  'ConditionalBreakpoints+',
  'error-message+',
  'exec-events+',
].join(';');
const UNSEEN_MOVE =
  '(gdb has not seen this move: type `maintenance flush dcache`, `maintenance flush register-cache`, then `info registers pc`; `hindsight debug --print-gdbinit` has a `seek` that does)\n';

/** The packets that begin with q. */
export class QueryPackets {
  private readonly client: GdbClient;
  private readonly reply: (packet: string) => void;

  /** @param reply sends a packet before the one that answers */
  constructor(client: GdbClient, reply: (packet: string) => void) {
    this.client = client;
    this.reply = reply;
  }

  answer(text: string): PacketAnswer {
    const { client } = this;
    const [name] = text.split(/[:,;]/, 1);
    switch (name) {
      case 'qSupported':
        return FEATURES;
      case 'qAttached':
        return '1';
      case 'qC':
        return `QC${client.general.toString(16)}`;
      case 'qfThreadInfo':
        return `m${client.inferior
          .threads()
          .map(({ id }) => id.toString(16))
          .join(',')}`;
      case 'qsThreadInfo':
        return 'l';
      case 'qThreadExtraInfo': {
        const id = parseInt(text.split(',')[1], 16);
        const thread = client.inferior.threads().find((t) => t.id === id);
        return thread === undefined ? ERROR.argument : toHex(latin1(thread.note));
      }
      case 'qSymbol':
        return 'OK';
      case 'qXfer':
        return this.transfer(text);
      case 'qRcmd':
        return this.command(text);
      case 'qqemu.PhyMemMode':
        return client.physical ? '1' : '0';
      default:
        return '';
    }
  }

  private transfer(text: string): string | Uint8Array {
    const m = /^qXfer:([a-z0-9-]+):read:([^:]*):([0-9a-fA-F]+),([0-9a-fA-F]+)$/.exec(text);
    if (!m) return '';
    const bytes = readDocument(m[1], m[2], this.client);
    if (bytes === undefined) return 'E00';
    const from = parseInt(m[3], 16);
    const part = bytes.subarray(from, from + Math.min(parseInt(m[4], 16), MAX_TRANSFER));
    const out = new Uint8Array(part.length + 1);
    out[0] = from + part.length < bytes.length ? 0x6d : 0x6c;
    out.set(part, 1);
    return out;
  }

  private async command(text: string): Promise<string | undefined> {
    const bytes = fromHex(text.slice('qRcmd,'.length));
    if (!bytes) return ERROR.argument;
    const { client } = this;
    const { target, inferior, settings } = client;
    client.running = new AbortController();
    const before = target.instant;
    const output = await client.options.monitor
      .run(new TextDecoder().decode(bytes), {
        hart: inferior.hartOf(client.general),
        settings,
        signal: client.running.signal,
        physical: (on) => {
          if (on !== undefined) client.physical = on;
          return client.physical;
        },
      })
      .finally(() => {
        client.running = undefined;
      });
    this.print(output);
    if (compareInstants(target.instant, before) !== 0 || inferior !== client.inferior) {
      // The thread that was looked at may sleep here, or be none any more.
      client.select();
      await client.settings.attached?.refresh();
      this.print(UNSEEN_MOVE);
    }
    return 'OK';
  }

  /** Has gdb show a text. */
  private print(text: string): void {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += MAX_TRANSFER - 1)
      this.reply(`O${toHex(bytes.subarray(at, at + MAX_TRANSFER - 1))}`);
  }
}
