import { fstatSync, openSync, readSync } from 'node:fs';
import type { NamedBytes } from '../../machine/session/options.ts';

/** Bytes that are read at once. */
const PART = 65_536;

/**
 * A file whose parts are read when they are needed; it stays open for the life of the process. It must stay as it is.
 * @throws system errors
 */
export function openPartly(file: string): Pick<NamedBytes, 'file' | 'bytes'> & Required<Pick<NamedBytes, 'ready'>> {
  const fd = openSync(file, 'r');
  const bytes = new Uint8Array(fstatSync(fd).size);
  const there = new Uint8Array(Math.ceil(bytes.length / PART));
  const ready = (offset: number, length: number): void => {
    const last = Math.min(there.length, Math.ceil((offset + length) / PART));
    for (let part = Math.floor(offset / PART); part < last; part++) {
      if (there[part] !== 0) continue;
      const end = Math.min(bytes.length, (part + 1) * PART);
      for (let at = part * PART; at < end; ) {
        const n = readSync(fd, bytes, at, end - at, at);
        if (n === 0) throw new Error(`${file} became shorter while it was in use`);
        at += n;
      }
      there[part] = 1;
    }
  };
  ready(0, PART);
  return { file, bytes, ready };
}
