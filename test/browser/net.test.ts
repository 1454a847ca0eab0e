import { existsSync, readFileSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandLine, type GuestBoot } from '../../src/guest/cmdline.ts';
import { type Relay, serveRelay } from '../../src/host/node/net/relay.ts';
import { Timeline } from '../../src/index.ts';
import { theGuest } from '../e2e/guest.ts';
import { CHROMIUM, FLAGS } from './headless.ts';
import { portOf, servePage } from './page-server.ts';

const { found: guest } = await theGuest();

describe.skipIf(!existsSync(CHROMIUM) || guest === undefined)(
  "a machine's network in a page",
  { timeout: 600_000 },
  () => {
    let server: HttpServer;
    let echo: Server;
    let relay: Relay;
    let browser: Browser;
    let page: Page;

    beforeAll(async () => {
      server = await servePage('net-page.ts', guest!, {
        others: { '/hello': 'hello to whom it may concern\n', '/closed': 'for this origin only\n' },
        open: ['/hello'],
      });
      echo = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', (bytes) => socket.end(`echo ${bytes.toString()}`));
      });
      await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
      relay = await serveRelay({ host: '127.0.0.1', port: 0, allowHost: true });
      browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
      page = await browser.newPage();
      // Another origin than the one the guest's requests go to.
      await page.goto(`http://localhost:${portOf(server)}/`);
      await page.waitForFunction('globalThis.run');
    }, 300_000);
    afterAll(async () => {
      await browser?.close();
      relay?.close();
      echo?.close();
      server?.closeAllConnections();
      server?.close();
    });

    const run = async (
      script: string,
      net: object,
      boot: GuestBoot = { net: 'dhcp' },
    ): Promise<{ text: string; recording: Uint8Array }> => {
      const append = commandLine({ exec: script, stdin: 'none', ...boot });
      const { text, recording } = (await page.evaluate(`run(${JSON.stringify(append)}, ${JSON.stringify(net)})`)) as {
        text: string;
        recording: string;
      };
      return { text, recording: Buffer.from(recording, 'base64') };
    };

    it('fetches over HTTP what allows it, says why it does not otherwise, and replays in Node with no network', async () => {
      const web = `http://10.0.2.2:${portOf(server)}`;
      const script = `wget -q -O- ${web}/hello; wget -q -O- ${web}/closed 2>&1; echo x | nc 10.0.2.2 ${portOf(echo)}; echo nc $?`;
      const { text, recording } = await run(script, { allowHost: true });
      expect(text).toContain('hello to whom it may concern\n');
      expect(text).toContain('502');
      expect(text).not.toContain('for this origin only');
      expect(text).not.toContain('echo x');
      const { kernel, initrd } = guest!;
      const timeline = await Timeline.open(recording, {
        kernel: { file: 'kernel', bytes: readFileSync(kernel) },
        initrd: { file: 'initrd', bytes: readFileSync(initrd) },
      });
      expect(await timeline.verify()).toBeGreaterThan(0);
    });

    it('reaches everything by a relay', async () => {
      const script = `wget -q -O- http://10.0.2.2:${portOf(server)}/closed; echo x | nc 10.0.2.2 ${portOf(echo)}; wget -q -O- http://localhost.:${portOf(server)}/hello`;
      const { text } = await run(script, { relay: `ws://127.0.0.1:${relay.port}/`, allowHost: true });
      expect(text).toContain('for this origin only\necho x\nhello to whom it may concern\n');
    });

    it('wires machines of two workers together', async () => {
      const machine = (n: number, script: string): Promise<{ text: string }> =>
        run(script, { wire: 'channel:lab', mac: `52:54:00:00:00:0${n}` }, { net: `10.1.0.${n}/24` });
      const [first, second] = await Promise.all([
        machine(
          1,
          'nc -l -p 7000; ping -c1 -W 20 10.1.0.2 >/dev/null && echo pings; until nc 10.1.0.2 7001 </dev/null 2>/dev/null; do sleep 0.1; done',
        ),
        machine(2, 'until echo over the wire | nc 10.1.0.1 7000 2>/dev/null; do sleep 0.1; done; nc -l -p 7001'),
      ]);
      expect(first.text).toContain('over the wire\npings\n');
      expect(second.text).not.toContain('over the wire');
    });

    it('refuses what is no network', async () => {
      const refused = (net: object): Promise<string> =>
        page.evaluate(`refused(${JSON.stringify(net)})`) as Promise<string>;
      expect(await refused({ wire: 'tap0' })).toBe(
        'NetworkOptionError: wire tap0: expected user or channel:NAME (letters, digits, dots, dashes)',
      );
      expect(await refused({ relay: 'http://x/' })).toMatch(/^NetworkOptionError: relay http:\/\/x\/: expected/);
      expect(await refused({ allow: ['300.1.1.1'] })).toMatch(/^NetworkOptionError: --allow 300.1.1.1: expected/);
    });
  },
);
