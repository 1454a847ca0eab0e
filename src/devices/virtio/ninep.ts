import type { SlotEntry } from '../entry.ts';
import { checkTag, FileDevice, tagBytes } from './fs.ts';
import { VIRTIO_ID, type VirtioModelFactory } from './model.ts';

/** Feature bit: there is a tag in the configuration space. */
const F_MOUNT_TAG = 0;
const QUEUE_SIZE = 128;
/** Bytes of a 9P message up to the data of a read. */
const REPLY_HEADER = 11;

/** Builds a 9P transport device (Linux, include/uapi/linux/virtio_9p.h). @param tag the name that the guest mounts */
export function virtio9p(tag: string): VirtioModelFactory {
  const name = tagBytes(tag);
  const config = new Uint8Array(2 + name.length);
  new DataView(config.buffer).setUint16(0, name.length, true);
  config.set(name, 2);
  return (bus) =>
    new FileDevice(bus, {
      name: '9p',
      id: VIRTIO_ID.filesystem9p,
      features: [F_MOUNT_TAG],
      queueSizes: [QUEUE_SIZE],
      config,
      replyHeader: REPLY_HEADER,
    });
}

/** A shared folder in a slot, by 9P2000.L; see the slot of kind `fs`. */
export interface NinePSlot {
  readonly kind: '9p';
  /** The name that the guest mounts: 1 to 36 bytes. */
  readonly tag: string;
}

export const ninePEntry: SlotEntry<NinePSlot> = {
  kind: '9p',
  host: { output: 'frames' },
  check: checkTag,
  model: ({ tag }) => virtio9p(tag),
};
