import { closeSync, fstatSync, openSync, read, readFileSync } from 'node:fs';
import { type ByteSource, MemorySource } from '../../bytes/source.ts';

/** A file that bytes are read from, wherever they are wanted. */
class FileSource implements ByteSource {
  readonly size: number;
  private readonly path: string;
  private fd: number;

  constructor(path: string, fd: number, size: number) {
    this.path = path;
    this.fd = fd;
    this.size = size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const got = await this.readSome(bytes, at, offset + at);
      if (got === 0)
        throw new Error(
          `${this.path}: ends at byte ${offset + at}, expected ${this.size}: it was cut short while in use`,
        );
      at += got;
    }
    return bytes;
  }

  close(): void {
    if (this.fd < 0) return;
    closeSync(this.fd);
    this.fd = -1;
  }

  private readSome(into: Uint8Array, at: number, position: number): Promise<number> {
    return new Promise((resolve, reject) =>
      read(this.fd, into, at, into.length - at, position, (error, got) => {
        // The system's message does not say which file.
        if (error) reject(Object.assign(error, { path: this.path }));
        else resolve(got);
      }),
    );
  }
}

/** Opens a file, or reads all of a pipe. @throws system errors with the path */
export function openSource(path: string): ByteSource {
  const fd = openSync(path, 'r');
  try {
    const stat = fstatSync(fd);
    if (stat.isFile()) return new FileSource(path, fd, stat.size);
    const bytes = readFileSync(fd);
    closeSync(fd);
    return new MemorySource(bytes);
  } catch (error) {
    closeSync(fd);
    throw Object.assign(error as NodeJS.ErrnoException, { path });
  }
}
