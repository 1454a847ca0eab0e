/** Debian's Firefox, driven by WebDriver BiDi (W3C) over its own port: Playwright sends it commands that it does not know. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';

export const FIREFOX = process.env.HINDSIGHT_FIREFOX ?? '/usr/bin/firefox-esr';

interface Reply {
  readonly id?: number;
  readonly type: 'success' | 'error' | 'event';
  readonly result?: Record<string, unknown>;
  readonly error?: string;
  readonly message?: string;
}

/** A Firefox without a window, with one tab and a profile of its own. */
export class Firefox {
  private readonly child: ChildProcess;
  private readonly profile: string;
  private readonly socket: WebSocket;
  private readonly waiting = new Map<
    number,
    { resolve: (r: Record<string, unknown>) => void; reject: (e: Error) => void }
  >();
  private context = '';
  private ids = 0;

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.child = child;
    this.profile = profile;
    this.socket = socket;
    socket.on('message', (data) => this.onMessage(JSON.parse(String(data)) as Reply));
  }

  static async start(): Promise<Firefox> {
    const profile = mkdtempSync(join(tmpdir(), 'hindsight-firefox-'));
    const args = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'];
    const child = spawn(FIREFOX, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: profile } });
    const address = await new Promise<string>((resolve, reject) => {
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        const found = /WebDriver BiDi listening on (ws:\S+)/.exec(said);
        if (found !== null) resolve(found[1]);
      });
      child.once('exit', (status) => reject(new Error(`Firefox ended with ${status}: ${said}`)));
    });
    const socket = new WebSocket(`${address}/session`, { perMessageDeflate: false });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const firefox = new Firefox(child, profile, socket);
    await firefox.send('session.new', { capabilities: {} });
    const tree = (await firefox.send('browsingContext.getTree', {})) as { contexts: { context: string }[] };
    firefox.context = tree.contexts[0].context;
    return firefox;
  }

  async goTo(url: string): Promise<void> {
    await this.send('browsingContext.navigate', { context: this.context, url, wait: 'complete' });
  }

  /** What an expression of the page gives, or resolves to: a text, a number, a boolean. @throws Error when it throws */
  async evaluate(expression: string): Promise<unknown> {
    const { type, result, exceptionDetails } = (await this.send('script.evaluate', {
      expression,
      target: { context: this.context },
      awaitPromise: true,
    })) as { type: string; result?: { value?: unknown }; exceptionDetails?: { text: string } };
    if (type !== 'success') throw new Error(`${expression}: ${exceptionDetails?.text}`);
    return result?.value;
  }

  /**
   * Puts a text in where the focus is, as an input method does; a line feed is Enter. Keys are lost now and then on a busy machine: a window that
   * nobody sees never has the desktop's focus.
   */
  async insert(text: string): Promise<void> {
    const input = { data: text.replaceAll('\n', '\r'), inputType: 'insertText', bubbles: true };
    await this.evaluate(`document.activeElement.dispatchEvent(new InputEvent('input', ${JSON.stringify(input)}))`);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.socket.close();
    this.child.kill();
    await ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  private send(method: string, params: object): Promise<Record<string, unknown>> {
    const id = ++this.ids;
    const reply = new Promise<Record<string, unknown>>((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    this.socket.send(JSON.stringify({ id, method, params }));
    return reply;
  }

  private onMessage({ id, type, result, error, message }: Reply): void {
    const waiting = id === undefined ? undefined : this.waiting.get(id);
    if (waiting === undefined) return;
    this.waiting.delete(id!);
    if (type === 'success') waiting.resolve(result ?? {});
    else waiting.reject(new Error(`${error}: ${message}`));
  }
}
