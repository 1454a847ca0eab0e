import {
  type Door,
  EVENT,
  type HostEvent,
  type Input,
  QUESTION,
  type Question,
  TERMINAL_PORT,
  type Witness,
} from './door.ts';
import { InputQueue, type InputSource } from './input-queue.ts';
import { deviceInput } from './inputs.ts';
import { answer, type Sources } from './sources.ts';

/** Bytes that may wait for one port; more are refused. */
const MOST_WAITING = 16 * 2 ** 20;
/** Commands that may wait; more are refused. */
const MOST_COMMANDS = 65_536;

/** More input was given than is kept for a guest that does not read it. */
export class InputOverflowError extends Error {
  override name = 'InputOverflowError';
}

interface WaitingCommand {
  readonly input: Input;
  /** @param reason why it was refused, if it was */
  readonly done: ((reason?: string) => void) | undefined;
}

/**
 * The door of a live machine: the host puts inputs here, the machine takes them at its next boundary step. A device that takes fewer bytes than it is
 * offered is offered the rest once the guest has touched it. A listener, if there is one, gets every event: that is all that recording is.
 */
export class LiveDoor implements Door {
  private readonly sources: Sources;
  private readonly listener: ((event: HostEvent) => void) | undefined;
  /** Taken before all input that waits, in order. */
  private readonly commands: WaitingCommand[] = [];
  private readonly queues = new Map<number, InputQueue>();
  private offered: InputQueue | undefined;
  private stalled = 0;
  private ready = false;

  /** @param listener gets every event, with a payload that is its own to keep */
  constructor(sources: Sources, listener?: (event: HostEvent) => void) {
    this.sources = sources;
    this.listener = listener;
  }

  get nextAt(): number {
    return this.ready ? 0 : Infinity;
  }

  /** Bytes that wait for a port. */
  waitingFor(port: number): number {
    return this.queues.get(port)?.length ?? 0;
  }

  /**
   * Puts bytes for a device here, after those that wait for it already.
   * @param port index of the device, or TERMINAL_PORT @param bytes not to be changed afterwards
   * @returns resolves when the guest has taken so much that more may be given
   * @throws InputOverflowError when 16 MiB wait for it; then nothing was put
   */
  give(port: number, bytes: Uint8Array): Promise<void> {
    const queue = this.queue(port);
    if (bytes.length === 0) return queue.whenRoom();
    if (queue.length + bytes.length > MOST_WAITING) {
      const device = port === TERMINAL_PORT ? 'the terminal' : `device ${port}`;
      throw new InputOverflowError(
        `${queue.length} bytes of input wait for ${device}, which the guest does not read; ${bytes.length} more are refused: await the promise of earlier input first`,
      );
    }
    queue.push(bytes);
    if (queue.stalledAt === undefined) this.ready = true;
    return queue.whenRoom();
  }

  /**
   * Has a device's input made when it can be taken, once nothing else waits for it.
   * @returns says that there may be some; may be called at any time
   */
  connect(port: number, source: InputSource): () => void {
    const queue = this.queue(port);
    queue.source = source;
    return () => {
      if (queue.stalledAt === undefined) this.ready = true;
    };
  }

  /** Forgets the input that waits for a port. */
  discard(port: number): void {
    this.queue(port).clear();
  }

  /**
   * Puts a command here: anything that is taken whole or not at all. It enters before all bytes that wait.
   * @param done called when it has entered, or with the reason why it was refused
   * @throws InputOverflowError when 65,536 wait already
   */
  command(input: Input, done?: (reason?: string) => void): void {
    if (this.commands.length >= MOST_COMMANDS)
      throw new InputOverflowError(`${MOST_COMMANDS} commands wait for a machine that does not run: run it first`);
    this.commands.push({ input, done });
    this.ready = true;
  }

  /** The machine is in another state than it was: devices that had no room may have some. */
  offerAgain(): void {
    for (const queue of this.queues.values()) this.unstall(queue);
  }

  take(machine: Witness): Input | undefined {
    if (this.commands.length > 0) return this.commands[0].input;
    for (const queue of this.queues.values()) {
      if (queue.stalledAt !== undefined) continue;
      if (queue.first === undefined) {
        const made = queue.source?.next(machine.time);
        if (made === undefined) continue;
        queue.push(made);
      }
      this.offered = queue;
      return deviceInput(queue.port, queue.first!);
    }
    this.ready = false;
    return undefined;
  }

  entered(input: Input, event: HostEvent): void {
    const queue = this.offered;
    this.offered = undefined;
    this.listener?.(event);
    if (queue === undefined) {
      this.commands.shift()?.done?.();
      return;
    }
    queue.taken(event.payload.length);
    if (event.payload.length < input.payload.length) this.stall(queue, event.port);
  }

  refused(_input: Input, port: number, reason: string | undefined): void {
    const queue = this.offered;
    this.offered = undefined;
    if (queue === undefined) this.commands.shift()?.done?.(reason ?? 'the device takes none');
    else this.stall(queue, port);
  }

  touched(port: number): boolean {
    if (this.stalled > 0) for (const queue of this.queues.values()) if (queue.stalledAt === port) this.unstall(queue);
    // A source may have made something of what the guest has just sent.
    return this.ready;
  }

  ask(port: number, question: Question, length: number, machine: Witness): Uint8Array {
    const bytes = answer(this.sources, question, length);
    if (this.listener !== undefined) {
      const payload = new Uint8Array(bytes.length + 1);
      payload[0] = QUESTION[question];
      payload.set(bytes, 1);
      this.listener({ at: machine.instant, time: machine.time, port, kind: EVENT.ANSWER, payload });
    }
    return bytes;
  }

  private queue(port: number): InputQueue {
    let queue = this.queues.get(port);
    if (queue === undefined) this.queues.set(port, (queue = new InputQueue(port)));
    return queue;
  }

  private stall(queue: InputQueue, port: number): void {
    queue.stalledAt = port;
    this.stalled++;
  }

  private unstall(queue: InputQueue): void {
    if (queue.stalledAt !== undefined) this.stalled--;
    queue.stalledAt = undefined;
    if (queue.length > 0 || queue.source !== undefined) this.ready = true;
  }
}
