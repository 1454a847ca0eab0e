import { StdinEncoder } from '../guest/exec-stream.ts';
import type { Machine } from '../machine/session/machine.ts';
import { EVENT } from '../record/door.ts';

/** Bytes waiting for the guest at which reading pauses, and goes on. */
const HIGH_WATER = 64 * 1024;
const LOW_WATER = 16 * 1024;

/** Standard input on its way to the guest: as fast as the guest takes it, ending where it ends. */
export class GuestInput {
  private readonly machine: Machine;
  private readonly input: NodeJS.ReadStream;
  private readonly encoder: StdinEncoder | undefined;
  private sent = 0;
  private taken = 0;
  private readonly undo: (() => void)[] = [];

  /** @param framed whether the guest's side decodes {@link StdinEncoder}'s framing */
  constructor(machine: Machine, input: NodeJS.ReadStream, framed: boolean) {
    this.machine = machine;
    this.input = input;
    this.encoder = framed ? new StdinEncoder() : undefined;
  }

  /** Begins to read. */
  start(): void {
    const onData = (chunk: Uint8Array): void => this.send(this.encoder?.encode(chunk) ?? chunk);
    const onEnd = (): void => {
      if (this.encoder) this.send(this.encoder.end());
    };
    this.input.on('data', onData).on('end', onEnd);
    this.undo.push(
      () => void this.input.off('data', onData).off('end', onEnd).pause(),
      this.machine.on('event', ({ kind, payload }) => {
        if (kind === EVENT.INPUT) this.took(payload.length);
      }),
    );
  }

  /** Stops reading. */
  stop(): void {
    for (const undo of this.undo.splice(0)) undo();
  }

  private send(bytes: Uint8Array): void {
    this.sent += bytes.length;
    this.machine.write(bytes);
    if (this.sent - this.taken > HIGH_WATER) this.input.pause();
  }

  private took(count: number): void {
    this.taken += count;
    if (this.input.isPaused() && this.sent - this.taken < LOW_WATER) this.input.resume();
  }
}
