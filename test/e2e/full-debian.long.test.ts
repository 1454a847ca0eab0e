/** A whole Debian, with systemd: to a login, apt-get install from an archive of the host's, ssh, a compiler, a snapshot. Its disk is made first, which takes minutes. */
import { createReadStream, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildDisk, Machine } from '../../src/host/node/index.ts';
import { makeArchive } from './apt-archive.ts';
import { describeGuest } from './guest.ts';

const PATIENCE = 1_200_000;
const PROMPT = 'root@hindsight:~# ';

describeGuest('a whole Debian', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hindsight-full-'));
  const web = createServer(({ url = '/' }, response) => {
    const file = join(dir, normalize(new URL(url, 'http://host/').pathname));
    if (!existsSync(file) || !statSync(file).isFile()) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-length': statSync(file).size });
    createReadStream(file).pipe(response);
  });
  let disk: string;

  beforeAll(async () => {
    makeArchive(dir);
    await new Promise<void>((resolve) => void web.listen(0, '127.0.0.1', resolve));
    disk = (await buildDisk({ full: true })).disk;
  }, 3_600_000);
  afterAll(() => {
    web.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Types a command and waits for the mark after it. @returns what it printed */
  async function typed(machine: Machine, command: string): Promise<string> {
    let printed = '';
    const stop = machine.on('console', (bytes) => (printed += Buffer.from(bytes).toString()));
    // In two parts, so that the terminal's echo is not taken for it.
    void machine.write(`echo; ${command}; echo end''mark\n`);
    await machine.expect('endmark', { timeout: PATIENCE });
    stop();
    return printed;
  }

  it(
    'boots to a login, installs by apt, and goes on from a snapshot',
    async () => {
      const snapshot = join(dir, 'login.hss');
      {
        await using machine = await Machine.create({
          guest: 'debian',
          memory: '512M',
          clock: 'virtual',
          disks: [disk],
          boot: { root: '/dev/vda', init: '/sbin/init', net: 'dhcp' },
          net: { wire: 'user', allowHost: true },
        });
        const ran = machine.run();
        await machine.expect(PROMPT, { timeout: PATIENCE });
        expect(await typed(machine, 'systemctl is-system-running --wait')).toContain('running');
        expect(await typed(machine, 'systemctl --failed --no-legend --no-pager | wc -l')).toMatch(/^0\r?$/m);
        expect(await typed(machine, 'systemctl is-active ssh; ls /etc/ssh/ssh_host_*_key')).toMatch(
          /^active\r?$[\s\S]*ed25519/m,
        );
        const { port } = web.address() as AddressInfo;
        await typed(machine, `echo 'deb [trusted=yes] http://10.0.2.2:${port}/ ./' >/etc/apt/sources.list`);
        expect(await typed(machine, 'apt-get -q update && apt-get -q -y install greeting')).toContain(
          'Setting up greeting',
        );
        expect(await typed(machine, 'greeting')).toContain('installed and run');
        expect(await typed(machine, 'dpkg --audit; dpkg -l | grep -c ^ii')).toMatch(/^2\d\d\r?$/m);
        expect(
          await typed(
            machine,
            `echo 'main(){puts("compiled");}' >a.c; gcc -w -std=gnu89 a.c -o a && ./a; python3 -c 'print(6*7)'`,
          ),
        ).toMatch(/compiled\r?\n42/);
        await machine.pause();
        await ran;
        await machine.snapshot(snapshot);
        void machine.write('systemctl poweroff\n');
        expect((await machine.run()).halt).toMatchObject({ kind: 'poweroff' });
      }
      await using again = await Machine.from(snapshot, { clock: 'virtual' });
      const ran = again.run();
      expect(await typed(again, 'greeting; systemctl is-active ssh')).toMatch(/installed and run\r?\nactive/);
      await again.pause();
      await ran;
    },
    2 * PATIENCE,
  );
});
