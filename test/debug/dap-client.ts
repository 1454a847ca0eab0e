import { PassThrough } from 'node:stream';
import { encodeMessage, MessageReader } from '../../src/debug/dap/framing.ts';
import type { GuestInfo } from '../../src/debug/guest-info.ts';
import type { Monitor } from '../../src/debug/monitor/monitor.ts';
import type { DebugTarget } from '../../src/debug/target.ts';
import { serveDap } from '../../src/host/node/debug/dap-server.ts';
import { checkMessage, checkRequest } from './dap-schema.ts';

export type Body = Record<string, any>;
export interface Message {
  readonly seq: number;
  readonly type: string;
  readonly command?: string;
  readonly event?: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly message?: string;
  readonly body?: Body;
}

/** A scripted DAP client. Every message it gets is checked against the protocol. */
export class DapClient {
  readonly all: Message[] = [];
  private readonly input = new PassThrough();
  private readonly reader = new MessageReader();
  private seq = 0;
  private read = 0;
  private wake: (() => void) | undefined;
  readonly done: Promise<void>;

  constructor(
    { target, guestInfo }: { readonly target: DebugTarget; readonly guestInfo: GuestInfo },
    monitor?: Monitor,
  ) {
    const output = new PassThrough();
    output.on('data', (bytes: Uint8Array) => {
      for (const m of this.reader.push(bytes)) {
        checkMessage(m as Message);
        this.all.push(m as Message);
      }
      this.wake?.();
    });
    this.done = serveDap(target, guestInfo, this.input, output, monitor);
  }

  raw(bytes: Uint8Array): void {
    this.input.write(bytes);
  }

  send(command: string, args: Body = {}): number {
    const seq = ++this.seq;
    this.raw(encodeMessage({ seq, type: 'request', command, arguments: args }));
    return seq;
  }

  /** Sends a request; its body. @throws when it fails */
  async ask(command: string, args: Body = {}): Promise<Body> {
    // What a launch configuration holds is ours to say.
    if (command !== 'launch' && command !== 'attach') checkRequest(command, args);
    const r = await this.try(command, args);
    if (!r.success) throw new Error(`${command}: ${r.message}`);
    return r.body ?? {};
  }

  async try(command: string, args: Body = {}): Promise<Message> {
    const seq = this.send(command, args);
    return this.find((m) => m.type === 'response' && m.request_seq === seq);
  }

  /** The next event of a name behind those that were taken. */
  async event(name: string): Promise<Body> {
    const m = await this.find((e) => e.type === 'event' && e.event === name && e.seq > this.read);
    this.read = m.seq;
    return m.body ?? {};
  }

  /** Makes a move and waits for where it stops. */
  async move(command: string, args: Body = { threadId: 1 }): Promise<Body> {
    await this.ask(command, args);
    return this.event('stopped');
  }

  end(): void {
    this.input.end();
  }

  private async find(test: (m: Message) => boolean): Promise<Message> {
    for (;;) {
      const m = this.all.find(test);
      if (m) return m;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
