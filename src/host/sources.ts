import type { ByteSource } from '../bytes/source.ts';

/** A Blob, such as a file that was chosen in a page, read piece by piece. */
export class BlobSource implements ByteSource {
  readonly size: number;
  private readonly blob: Blob;

  constructor(blob: Blob) {
    this.blob = blob;
    this.size = blob.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return new Uint8Array(await this.blob.slice(offset, offset + length).arrayBuffer());
  }
}

/** Milliseconds that a server may take over one range. */
const PATIENCE = 60_000;

/** Statuses of a server that may answer later (RFC 9110, section 15; RFC 6585, section 4). */
const LATER: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A server did not give what it has, but may do so if it is asked again. */
export class ServerBusyError extends Error {
  override name = 'ServerBusyError';
}

/** A file on a web server, read by HTTP ranges (RFC 9110, section 14). */
export class HttpSource implements ByteSource {
  readonly size: number;
  private readonly url: string;
  private readonly tag: string | undefined;
  private readonly date: string | undefined;

  private constructor(url: string, size: number, tag: string | undefined, date: string | undefined) {
    this.url = url;
    this.size = size;
    this.tag = tag;
    this.date = date;
  }

  /** What the server tells versions of the file apart by: its tag, or else its date. */
  get version(): string | undefined {
    return this.tag ?? this.date;
  }

  /** @throws Error when the server does not answer with ranges; ServerBusyError; what `fetch` throws */
  static async open(url: string): Promise<HttpSource> {
    const response = await fetch(url, { headers: { Range: 'bytes=0-0' }, signal: AbortSignal.timeout(PATIENCE) });
    const [, size] = /^bytes 0-0\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '') ?? [];
    await response.body?.cancel();
    if (LATER.has(response.status)) throw new ServerBusyError(`${url}: the server answered ${response.status}`);
    if (response.status !== 206 || size === undefined) {
      throw new Error(
        `${url}: the server answered ${response.status} instead of a range (206): download the file, or use a server that knows ranges`,
      );
    }
    // A weak tag cannot be used with ranges (RFC 9110, section 13.1.5).
    const tag = response.headers.get('ETag');
    const strong = tag === null || tag.startsWith('W/') ? undefined : tag;
    return new HttpSource(url, Number(size), strong, response.headers.get('Last-Modified') ?? undefined);
  }

  /** @throws Error when the file has changed or the server has no such range; ServerBusyError; what `fetch` throws */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    // A server may send less than it was asked for (RFC 9110, section 15.3.7).
    for (let at = 0; at < length; ) {
      const part = await this.range(offset + at, length - at);
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** The bytes from an offset on, at least one and at most `length` of them. */
  private async range(offset: number, length: number): Promise<Uint8Array> {
    const headers: Record<string, string> = { Range: `bytes=${offset}-${offset + length - 1}` };
    if (this.tag !== undefined) headers['If-Range'] = this.tag;
    const response = await fetch(this.url, { headers, signal: AbortSignal.timeout(PATIENCE) });
    if (response.status !== 206) {
      await response.body?.cancel();
      if (LATER.has(response.status)) throw new ServerBusyError(`${this.url}: the server answered ${response.status}`);
      throw new Error(
        response.status === 200
          ? `${this.url}: the file changed on the server since it was opened; open it again`
          : `${this.url}: the server answered ${response.status} to a range at byte ${offset}`,
      );
    }
    const [, from, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '') ?? [];
    const changed = this.tag === undefined && (response.headers.get('Last-Modified') ?? undefined) !== this.date;
    if (changed || size !== String(this.size)) {
      await response.body?.cancel();
      throw new Error(`${this.url}: the file changed on the server since it was opened; open it again`);
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (from !== String(offset) || bytes.length === 0 || bytes.length > length)
      throw new Error(
        `${this.url}: the server sent ${bytes.length} bytes at byte ${from}, expected up to ${length} at byte ${offset}`,
      );
    return bytes;
  }
}
