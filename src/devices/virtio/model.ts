import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import type { DeviceContext, DevicePort } from '../device.ts';
import type { VirtQueue } from './queue.ts';

/** Device types (virtio 1.2, chapter 5). */
export const VIRTIO_ID = { net: 1, block: 2, console: 3, entropy: 4, balloon: 5, filesystem9p: 9, fs: 26 } as const;

/** What a device type sees of its transport. */
export interface VirtioBus {
  readonly context: DeviceContext;
  /** Whether the driver set DRIVER_OK and no reset is needed: buffers may be used (2.1.2). */
  readonly running: boolean;
  /** See {@link DeviceContext.addPort}; `input` is called only while {@link running}. */
  addPort(name: string, input: (payload: Uint8Array) => number): DevicePort;
  /** The queue of that index. */
  queue(index: number): VirtQueue;
  /** Whether the feature bit was offered and accepted. */
  negotiated(bit: number): boolean;
  /** Raises the used-buffer interrupt if the driver wants one for what was pushed to the queue since the last call. */
  signal(index: number): void;
  /** Configuration space changed: counts the generation up and raises the configuration interrupt if a driver runs (2.5). */
  configChanged(): void;
}

/**
 * A device type (block, console, …) behind any virtio transport. Calls to {@link notify}, {@link deadline} and {@link input}
 * come only while {@link VirtioBus.running}. A `RingError` thrown from those makes the transport ask for a reset
 * (DEVICE_NEEDS_RESET); any other error is the host's and stops the run.
 */
export interface VirtioModel {
  /** Short name; the device's kind is `virtio-` and this. */
  readonly name: string;
  /** One of {@link VIRTIO_ID}. */
  readonly id: number;
  /** Feature bits offered by this type; the transport adds its own. */
  readonly features: readonly number[];
  /** Largest size of each queue, each a power of two. */
  readonly queueSizes: readonly number[];
  /** Configuration space as it is now. */
  readonly config: Uint8Array;
  /** The driver wrote a byte of configuration space. */
  writeConfig?(offset: number, value: number): void;
  /** The driver reset the device: drop requests and the deadline. Backends and what they determine stay. */
  reset(): void;
  /** Power-on: as built, after {@link reset}. */
  powerOn?(): void;
  /** Buffers may have been made available on the queue. */
  notify(queue: number): void;
  /** See {@link Device.deadline}. */
  deadline?(): void;
  /** Input that comes while no driver runs the device is lost, not kept for it: it answers what a driver asked that is gone. */
  readonly losesInput?: boolean;
  /** See {@link Device.input}. */
  input?(payload: Uint8Array): number;
  /** See {@link Device.awaitsAnswer}. */
  readonly awaitsAnswer?: boolean;
  /** See {@link Device.repeatRequests}. */
  repeatRequests?(): void;
  /** See {@link Device.control}; comes in any status. */
  control?(command: Uint8Array): void;
  save(w: StateWriter): void;
  /** Called after the transport is restored: re-arms its deadline. */
  restore(r: StateReader): void;
}

/** Builds a device type onto its transport; the queues exist once it is built. */
export type VirtioModelFactory = (bus: VirtioBus) => VirtioModel;
