/** Looking into Debian packages through dpkg-deb. */
import { type TarEntry, TarReader } from '../../../guest/tar.ts';
import { run } from './process.ts';

/** Reports every file of a package; `wants` says whose contents to keep. */
export async function readPackage(
  file: string,
  onEntry: (entry: TarEntry) => void,
  wants?: (path: string) => boolean,
  signal?: AbortSignal,
): Promise<void> {
  const reader = new TarReader(onEntry, wants);
  await run('dpkg-deb', ['--fsys-tarfile', file], {
    onOutput: (chunk) => reader.push(chunk),
    ...(signal === undefined ? {} : { signal }),
  });
  reader.end();
}

/** One member of a common archive (ar(5)). */
function arMember(name: string, data: Uint8Array): Uint8Array {
  const fields = [
    name.padEnd(16),
    '0'.padEnd(12),
    '0'.padEnd(6),
    '0'.padEnd(6),
    '100644'.padEnd(8),
    String(data.length).padEnd(10),
  ];
  return Buffer.concat([
    Buffer.from(`${fields.join('')}\`\n`, 'latin1'),
    data,
    Buffer.from('\n'.repeat(data.length % 2)),
  ]);
}

/**
 * Decompresses an xz file. dpkg-deb can, wherever apt is; it takes the bytes as the data member of a package (deb(5)) and prints
 * what is in them, so no xz program is needed.
 */
export async function unxz(data: Uint8Array): Promise<Uint8Array> {
  const out: Uint8Array[] = [];
  const deb = Buffer.concat([
    Buffer.from('!<arch>\n', 'latin1'),
    arMember('debian-binary', Buffer.from('2.0\n')),
    arMember('control.tar', new Uint8Array(0)),
    arMember('data.tar.xz', data),
  ]);
  await run('dpkg-deb', ['--fsys-tarfile', '-'], { input: deb, onOutput: (chunk) => out.push(chunk) });
  return Buffer.concat(out);
}
