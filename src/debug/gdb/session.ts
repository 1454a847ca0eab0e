import { DebugError, type DebugTarget } from '../target.ts';
import { GdbClient, type GdbSessionOptions } from './client.ts';
import { ContentPackets } from './contents.ts';
import { HostFiles } from './files.ts';
import { MotionPackets } from './motion.ts';
import { ERROR, encodePacket, fromLatin1, latin1, type PacketAnswer, PacketReader } from './packets.ts';
import { InsertedPoints } from './points.ts';
import { QueryPackets } from './queries.ts';

/**
 * One debugger's conversation in the gdb remote serial protocol ("Debugging with GDB", appendix "Remote Protocol"), as a function of
 * bytes: any transport carries it. Threads are harts (thread n is hart n − 1), or those of the process that is attached to.
 */
export class GdbSession {
  private readonly reader = new PacketReader();
  private readonly points = new InsertedPoints();
  private readonly client: GdbClient;
  private readonly contents: ContentPackets;
  private readonly motion: MotionPackets;
  private readonly queries: QueryPackets;
  private readonly files: HostFiles;
  private ackMode = true;
  private work: Promise<void> = Promise.resolve();
  private closed = false;
  private pending = 0;
  private lastSent: Uint8Array | undefined;
  private errorText = false;

  constructor(target: DebugTarget, options: GdbSessionOptions) {
    const client = new GdbClient(target, options);
    this.client = client;
    this.contents = new ContentPackets(client);
    this.motion = new MotionPackets(client, this.points);
    this.queries = new QueryPackets(client, (packet) => this.reply(packet));
    this.files = new HostFiles(client);
  }

  /** Takes bytes from gdb. */
  push(bytes: Uint8Array): void {
    for (const item of this.reader.push(bytes)) {
      if (this.closed) return;
      switch (item.kind) {
        case 'packet':
          if (this.ackMode) this.client.options.send(latin1('+'));
          this.enqueue(item.data);
          break;
        case 'oversized':
          if (this.ackMode) this.client.options.send(latin1('+'));
          this.reply(ERROR.argument);
          break;
        case 'bad':
          if (this.ackMode) this.client.options.send(latin1('-'));
          break;
        case 'nak':
          if (this.ackMode && this.lastSent) this.client.options.send(this.lastSent);
          break;
        case 'interrupt':
          this.client.running?.abort();
          break;
        case 'ack':
          break;
      }
    }
  }

  /** The transport is gone: a move under way is given up, points are taken out. Resolves when nothing runs any more. */
  async end(): Promise<void> {
    this.closed = true;
    this.client.running?.abort();
    await this.work;
  }

  private enqueue(data: Uint8Array): void {
    // A client that sends without waiting for answers is not gdb.
    if (++this.pending > 256) {
      this.closed = true;
      this.client.running?.abort();
      this.client.options.close();
      return;
    }
    this.work = this.work
      .then(() =>
        this.client.options.monitor.exclusively(async () => {
          this.pending--;
          if (this.closed) return;
          let answer: string | Uint8Array | undefined;
          try {
            answer = await this.handle(data);
          } catch (e) {
            if (!(e instanceof DebugError)) throw e;
            answer = this.refusal(e.message);
          }
          if (answer !== undefined && !this.closed) this.reply(answer);
        }),
      )
      .catch((e: unknown) => {
        this.reply(this.refusal(e instanceof Error ? e.message : String(e)));
      });
  }

  private reply(data: string | Uint8Array): void {
    this.lastSent = encodePacket(data);
    this.client.options.send(this.lastSent);
  }

  private refusal(message: string): string {
    // Text errors are understood by every gdb for memory and registers; others show the number.
    return this.errorText ? `E.${message.replace(/[^\x20-\x7e]/g, '?')}` : 'E01';
  }

  private handle(data: Uint8Array): PacketAnswer {
    const { client, contents, motion } = this;
    const text = fromLatin1(data);
    const rest = text.slice(1);
    switch (text[0]) {
      case '!':
        return 'OK';
      case '?':
        return motion.stopReply();
      case 'g':
        return contents.readGeneral();
      case 'G':
        return contents.writeGeneral(rest);
      case 'p':
        return contents.readRegister(parseInt(rest, 16));
      case 'P':
        return contents.writeRegister(rest);
      case 'm':
        return contents.readMemory(rest);
      case 'M':
        return contents.writeMemory(rest);
      case 'X':
        return contents.writeBinary(data);
      case 'H':
        return this.setThread(rest);
      case 'T':
        return client.isThread(parseInt(rest, 16)) ? 'OK' : ERROR.argument;
      case 'Z':
        return this.points.insert(rest);
      case 'z':
        return this.points.remove(rest);
      case 'c':
        return motion.resume('continue', client.control, rest);
      case 'C':
        return motion.resume('continue', client.control, rest.split(';')[1] ?? '');
      case 's':
        return motion.resume('step', client.control, rest);
      case 'S':
        return motion.resume('step', client.control, rest.split(';')[1] ?? '');
      case 'b':
        return rest === 'c' || rest === 's' ? motion.back(rest === 's') : '';
      case 'D':
        this.points.clear();
        client.settings.attached = undefined;
        return 'OK';
      case 'k':
        this.client.options.close();
        return undefined;
      case 'v':
        return this.verbose(rest);
      case 'q':
        if (text.startsWith('qSupported')) this.errorText = true;
        return this.queries.answer(text);
      case 'Q':
        if (text === 'QStartNoAckMode') {
          this.reply('OK');
          this.ackMode = false;
          return undefined;
        }
        if (text.startsWith('Qqemu.PhyMemMode:')) {
          client.physical = text.endsWith('1');
          return 'OK';
        }
        return '';
      default:
        return '';
    }
  }

  private setThread(rest: string): string {
    const { client } = this;
    const id = rest.slice(1) === '-1' ? 0 : parseInt(rest.slice(1), 16);
    if (id !== 0 && !client.isThread(id)) return ERROR.argument;
    const thread = id === 0 ? client.inferior.activeThread() : id;
    if (rest[0] === 'g') client.general = thread;
    else if (rest[0] === 'c') client.control = id === 0 ? client.general : thread;
    else return ERROR.argument;
    return 'OK';
  }

  private verbose(rest: string): PacketAnswer {
    const { client, motion } = this;
    if (rest === 'Cont?') return 'vCont;c;C;s;S;r';
    if (rest.startsWith('Cont;')) return motion.vCont(rest.slice(5));
    if (rest.startsWith('File:')) return this.files.answer(rest.slice(5));
    if (rest.startsWith('Attach;')) return motion.attach(parseInt(rest.slice(7), 16));
    if (rest.startsWith('Kill')) {
      this.reply('OK');
      client.options.close();
      return undefined;
    }
    if (rest === 'CtrlC') {
      client.running?.abort();
      return 'OK';
    }
    return '';
  }
}
