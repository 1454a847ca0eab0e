import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A Debian package with one script, and an archive with nothing else (see sources.list(5), "./" for a flat one). */
export function makeArchive(folder: string): void {
  const tree = join(folder, 'greeting');
  mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
  mkdirSync(join(tree, 'usr/bin'), { recursive: true });
  const control =
    'Package: greeting\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: says hello\n';
  writeFileSync(join(tree, 'DEBIAN/control'), control);
  writeFileSync(join(tree, 'usr/bin/greeting'), '#!/bin/sh\necho installed and run\n', { mode: 0o755 });
  const deb = join(folder, 'greeting_1.0_all.deb');
  execFileSync('dpkg-deb', ['--root-owner-group', '-b', tree, deb], { stdio: 'ignore' });
  const bytes = readFileSync(deb);
  const packages = `${control}Filename: ./greeting_1.0_all.deb\nSize: ${bytes.length}\nSHA256: ${sha256(bytes)}\n\n`;
  writeFileSync(join(folder, 'Packages'), packages);
  const release = `Origin: test\nSuite: test\nCodename: test\nArchitectures: all riscv64\nComponents: main\nDate: Sat, 01 Jan 2000 00:00:00 UTC\nSHA256:\n ${sha256(Buffer.from(packages))} ${packages.length} Packages\n`;
  writeFileSync(join(folder, 'Release'), release);
}
