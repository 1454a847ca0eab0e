import type { SlotEntry } from '../entry.ts';
import { VIRTIO_ID, type VirtioBus, type VirtioModel, type VirtioModelFactory } from './model.ts';
import { scatter, totalLength } from './segments.ts';

/** Most random bytes for one buffer; the driver learns how many it got and asks again (virtio 1.2, 5.4.6.1). */
const MAX_ANSWER = 4096;

/** Entropy device (virtio 1.2, 5.4): every buffer is answered at once from the door's `entropy`. */
class VirtioRng implements VirtioModel {
  readonly name = 'rng';
  readonly id = VIRTIO_ID.entropy;
  readonly features = [];
  readonly queueSizes = [16];
  readonly config = new Uint8Array(0);
  private readonly bus: VirtioBus;

  constructor(bus: VirtioBus) {
    this.bus = bus;
  }

  reset(): void {}

  notify(index: number): void {
    const queue = this.bus.queue(index);
    const { port, ram } = this.bus.context;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const wanted = Math.min(totalLength(chain.writable), MAX_ANSWER);
      const written = wanted === 0 ? 0 : scatter(ram, chain.writable, port.ask('entropy', wanted));
      queue.push(chain.head, written);
    }
    this.bus.signal(index);
  }

  save(): void {}

  restore(): void {}
}

/** Builds an entropy device. */
export const virtioRng: VirtioModelFactory = (bus) => new VirtioRng(bus);

/** An entropy device in a slot. */
export interface RngSlot {
  readonly kind: 'rng';
}

export const rngEntry: SlotEntry<RngSlot> = {
  kind: 'rng',
  check() {},
  model: () => virtioRng,
};
