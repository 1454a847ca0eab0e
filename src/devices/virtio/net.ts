import { hexBytes, toHex } from '../../bytes/hex.ts';
import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import { ETHERNET_SIZE, GSO, MAX_FRAME, OFFLOAD_FLAG, OFFLOAD_SIZE, readOffload } from '../../net/frame.ts';
import { segmentFrame } from '../../net/segmentation.ts';
import { ConfigError } from '../config-error.ts';
import type { SlotEntry } from '../entry.ts';
import { VIRTIO_ID, type VirtioBus, type VirtioModel, type VirtioModelFactory } from './model.ts';
import { type Chain, RingError } from './queue.ts';
import { gather, scatter, totalLength } from './segments.ts';

/** Queues (virtio 1.2, 5.1.2). */
const RECEIVE = 0;
const TRANSMIT = 1;

/** Feature bits (5.1.3). */
const F = {
  checksum: 0,
  guestChecksum: 1,
  mtu: 3,
  mac: 5,
  guestTso4: 7,
  guestTso6: 8,
  hostTso4: 11,
  hostTso6: 12,
  mergeableBuffers: 15,
  status: 16,
} as const;

/** Configuration space (5.1.4): mac, status u16, max_virtqueue_pairs u16, mtu u16. */
const CONFIG_STATUS = 6;
const CONFIG_MTU = 10;
const CONFIG_SIZE = 12;
const LINK_UP = 1;

/** `struct virtio_net_hdr` with num_buffers (5.1.6): a frame's offload header and two bytes. */
const HEADER = 12;
const HEADER_BUFFERS = 10;

const COMMAND_LINK = 1;
const MAC_DIGITS = 12;

/** The command that plugs the cable in (1) or pulls it (0). */
export function netLink(up: number): Uint8Array {
  if (up !== 0 && up !== 1) throw new RangeError(`link ${up}: expected 1 for up or 0 for down`);
  return Uint8Array.of(COMMAND_LINK, up);
}

/** A frame as the driver takes it, and the buffers it goes to. */
interface Placed {
  readonly frame: Uint8Array;
  readonly chains: readonly Chain[];
}

/**
 * Network device with one pair of queues (virtio 1.2, 5.1). What it emits and takes are frames as src/net/frame.ts describes them, one at
 * a time. Checksums and segmentation that the driver leaves to the device are left to the receiver of the frame; what comes for a driver that
 * takes no such frames is finished here, so that the other end need not know what was negotiated.
 */
class VirtioNet implements VirtioModel {
  readonly name = 'net';
  readonly id = VIRTIO_ID.net;
  readonly features = Object.values(F);
  readonly queueSizes = [512, 256];
  readonly config = new Uint8Array(CONFIG_SIZE);
  private readonly bus: VirtioBus;

  constructor(bus: VirtioBus, mac: Uint8Array, mtu: number) {
    this.bus = bus;
    this.config.set(mac);
    this.config[CONFIG_MTU] = mtu & 0xff;
    this.config[CONFIG_MTU + 1] = mtu >>> 8;
    this.powerOn();
  }

  reset(): void {}

  powerOn(): void {
    this.config[CONFIG_STATUS] = LINK_UP;
  }

  notify(index: number): void {
    const queue = this.bus.queue(index);
    if (index === RECEIVE) return queue.watch();
    const { port, ram } = this.bus.context;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const length = totalLength(chain.readable);
      if (length < HEADER || length - HEADER + OFFLOAD_SIZE > MAX_FRAME)
        throw new RingError(`frame of ${length} bytes, its header included`);
      if (length >= HEADER + ETHERNET_SIZE && this.linkUp) port.emit(this.outgoing(gather(ram, chain.readable)));
      queue.push(chain.head, 0);
    }
    this.bus.signal(TRANSMIT);
  }

  input(payload: Uint8Array): number {
    const sound = payload.length >= OFFLOAD_SIZE + ETHERNET_SIZE && payload.length <= MAX_FRAME;
    if (!sound || !this.linkUp) return payload.length; // lost on the wire
    const queue = this.bus.queue(RECEIVE);
    const placed: Placed[] = [];
    let taken = 0;
    for (const frame of this.takesWhole(payload) ? [payload] : segmentFrame(payload)) {
      const chains = this.buffersFor(frame, taken);
      if (chains === undefined) {
        // Without room now it waits, without room ever it is lost.
        return queue.look(queue.num - 1) === undefined ? 0 : payload.length;
      }
      taken += chains.length;
      placed.push({ frame, chains });
    }
    queue.take(taken);
    for (const { frame, chains } of placed) this.fill(frame, chains);
    queue.watch();
    this.bus.signal(RECEIVE);
    return payload.length;
  }

  control(command: Uint8Array): void {
    if (command.length !== 2 || command[0] !== COMMAND_LINK || command[1] > 1)
      throw new RangeError('a network device knows no command but that for its link (2 bytes)');
    this.config[CONFIG_STATUS] = command[1];
    this.bus.configChanged();
  }

  save(w: StateWriter): void {
    w.u8(this.config[CONFIG_STATUS]);
  }

  restore(r: StateReader): void {
    this.config[CONFIG_STATUS] = r.u8() & LINK_UP;
  }

  private get linkUp(): boolean {
    return (this.config[CONFIG_STATUS] & LINK_UP) !== 0;
  }

  /** The driver's frame, without what it has no right to ask for. */
  private outgoing(bytes: Uint8Array): Uint8Array {
    const { bus } = this;
    const frame = bytes.subarray(HEADER - OFFLOAD_SIZE);
    bytes.copyWithin(HEADER - OFFLOAD_SIZE, 0, OFFLOAD_SIZE);
    const { segmentation } = readOffload(frame);
    const mayCut =
      (segmentation === GSO.tcpv4 && bus.negotiated(F.hostTso4)) ||
      (segmentation === GSO.tcpv6 && bus.negotiated(F.hostTso6));
    if (!bus.negotiated(F.checksum)) frame.fill(0, 0, OFFLOAD_SIZE);
    else {
      frame[0] &= OFFLOAD_FLAG.needsChecksum;
      if (!mayCut) frame.fill(0, 1, 6);
    }
    return frame;
  }

  /** Whether the driver takes the frame with its checksum and segmentation undone. */
  private takesWhole(frame: Uint8Array): boolean {
    const { bus } = this;
    const { needsChecksum, segmentation } = readOffload(frame);
    if (!needsChecksum && segmentation === GSO.none) return true;
    if (!bus.negotiated(F.guestChecksum)) return false;
    if (segmentation === GSO.none) return true;
    if (segmentation === GSO.tcpv4) return bus.negotiated(F.guestTso4);
    return segmentation === GSO.tcpv6 && bus.negotiated(F.guestTso6);
  }

  /** The buffers for a frame, from the `from`th available one on; undefined when there are too few. */
  private buffersFor(frame: Uint8Array, from: number): readonly Chain[] | undefined {
    const queue = this.bus.queue(RECEIVE);
    const wanted = frame.length - OFFLOAD_SIZE + HEADER;
    const chains: Chain[] = [];
    for (let room = 0; room < wanted; ) {
      const chain = queue.look(from + chains.length);
      if (chain === undefined) return undefined;
      const length = totalLength(chain.writable);
      if (length < HEADER) throw new RingError(`receive buffer of ${length} bytes`);
      if (length < wanted && !this.bus.negotiated(F.mergeableBuffers))
        throw new RingError(`receive buffer of ${length} bytes for a frame of ${wanted}`);
      chains.push(chain);
      room += length;
    }
    return chains;
  }

  private fill(frame: Uint8Array, chains: readonly Chain[]): void {
    const { ram } = this.bus.context;
    const queue = this.bus.queue(RECEIVE);
    const header = new Uint8Array(HEADER);
    header.set(frame.subarray(0, OFFLOAD_SIZE));
    if (!this.bus.negotiated(F.guestChecksum)) header[0] = 0;
    header[HEADER_BUFFERS] = chains.length & 0xff;
    header[HEADER_BUFFERS + 1] = chains.length >>> 8;
    // The header lies in the first buffer: none is smaller.
    let from = scatter(ram, chains[0].writable, header);
    let at = OFFLOAD_SIZE;
    for (const { head, writable } of chains) {
      const written = scatter(ram, writable, frame.subarray(at), from);
      queue.push(head, from + written);
      at += written;
      from = 0;
    }
  }
}

/** Builds a network device. @param mac six bytes @param mtu 1280 to 65535 */
export function virtioNet(mac: Uint8Array, mtu: number): VirtioModelFactory {
  return (bus) => new VirtioNet(bus, mac, mtu);
}

/** A network device in a slot. */
export interface NetSlot {
  readonly kind: 'net';
  /** Twelve hexadecimal digits. */
  readonly mac: string;
  /** Bytes of an IP packet on its wire. */
  readonly mtu: number;
}

/** The MAC address in a configuration, e.g. of the bytes 52:54:00:12:34:56. */
export const netSlot = (mac: Uint8Array, mtu: number): NetSlot => ({ kind: 'net', mac: toHex(mac), mtu });

/** MTU of a wire: as small as IPv6 can do with, as large as a packet can be. */
const MTU_RANGE = { least: 1280, most: 65_535 } as const;

export const netEntry: SlotEntry<NetSlot> = {
  kind: 'net',
  host: { output: 'frames', commands: { link: netLink } },
  check({ mac, mtu }) {
    if (
      typeof mac !== 'string' ||
      mac.length !== MAC_DIGITS ||
      !/^[0-9a-f]+$/.test(mac) ||
      (hexBytes(mac)[0] & 1) !== 0
    )
      throw new ConfigError(`MAC address "${mac}": expected 12 hexadecimal digits of a unicast address`);
    if (!Number.isInteger(mtu) || mtu < MTU_RANGE.least || mtu > MTU_RANGE.most)
      throw new ConfigError(`MTU ${mtu}: expected ${MTU_RANGE.least} to ${MTU_RANGE.most}`);
  },
  model: ({ mac, mtu }) => virtioNet(hexBytes(mac), mtu),
};
