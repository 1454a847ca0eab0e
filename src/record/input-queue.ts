/** Where a device's input is made when there is room for it, for what is not to wait in a queue. */
export interface InputSource {
  /** The next piece at guest time `time` (ticks), if there is one; asked again once it was said that there may be. */
  next(time: number): Uint8Array | undefined;
}

/** Input for one port that waits until its device takes it, in order. */
export class InputQueue {
  readonly port: number;
  /** Device that had no room for the first piece and was not touched by the guest since. */
  stalledAt: number | undefined;
  /** Asked for more when nothing waits. */
  source: InputSource | undefined;
  private readonly pieces: Uint8Array[] = [];
  private total = 0;
  private room: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(port: number) {
    this.port = port;
  }

  /** Bytes that wait. */
  get length(): number {
    return this.total;
  }

  /** What is to be offered next. */
  get first(): Uint8Array | undefined {
    return this.pieces[0];
  }

  /** Forgets what waits. */
  clear(): void {
    this.pieces.length = 0;
    this.total = 0;
    this.room?.resolve();
    this.room = undefined;
  }

  push(bytes: Uint8Array): void {
    this.pieces.push(bytes);
    this.total += bytes.length;
  }

  /** The device took the first `count` bytes of the first piece. */
  taken(count: number): void {
    const rest = this.pieces[0].subarray(count);
    if (rest.length > 0) this.pieces[0] = rest;
    else this.pieces.shift();
    this.total -= count;
    if (this.total > ROOM_AT || this.room === undefined) return;
    this.room.resolve();
    this.room = undefined;
  }

  /** Resolves when little enough waits for more to be given. */
  whenRoom(): Promise<void> {
    if (this.total <= ROOM_AT) return Promise.resolve();
    if (this.room === undefined) {
      let resolve!: () => void;
      const promise = new Promise<void>((done) => (resolve = done));
      this.room = { promise, resolve };
    }
    return this.room.promise;
  }
}

/** Bytes that may wait before those who give more are asked to wait. */
const ROOM_AT = 64 * 1024;
