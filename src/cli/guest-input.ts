import { StdinEncoder } from '../guest/exec-stream.ts';
import type { Machine } from '../machine/session/machine.ts';

/** Standard input on its way to the guest: as fast as the guest takes it, ending where it ends. */
export class GuestInput {
  private readonly machine: Machine;
  private readonly input: NodeJS.ReadStream;
  private readonly encoder: StdinEncoder | undefined;
  private readonly onEnd: () => void;
  private hasEnded = false;
  private undo: (() => void) | undefined;

  /** @param framed whether the guest's side decodes {@link StdinEncoder}'s framing @param onEnd called when nothing more will come */
  constructor(machine: Machine, input: NodeJS.ReadStream, framed: boolean, onEnd: () => void = () => undefined) {
    this.machine = machine;
    this.input = input;
    this.encoder = framed ? new StdinEncoder() : undefined;
    this.onEnd = onEnd;
  }

  /** Whether nothing more will come. */
  get ended(): boolean {
    return this.hasEnded;
  }

  /** Begins to read. */
  start(): void {
    if (this.undo !== undefined) return;
    const onData = (chunk: Uint8Array): void => this.send(this.encoder?.encode(chunk) ?? chunk);
    const onEnd = (): void => {
      if (this.encoder) this.send(this.encoder.end());
      this.hasEnded = true;
      this.onEnd();
    };
    this.input.on('data', onData).on('end', onEnd);
    this.undo = () => void this.input.off('data', onData).off('end', onEnd).pause();
  }

  /** Stops reading. */
  stop(): void {
    this.undo?.();
    this.undo = undefined;
  }

  /** Reads no further until the guest has taken most of what was read. */
  private send(bytes: Uint8Array): void {
    const room = this.machine.write(bytes);
    if (this.hasEnded) return;
    this.input.pause();
    void room.then(() => {
      if (this.undo !== undefined) this.input.resume();
    });
  }
}
