import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import { ConfigError } from '../config-error.ts';
import type { DmaMemory } from '../dma.ts';
import type { SlotEntry } from '../entry.ts';
import { VIRTIO_ID, type VirtioBus, type VirtioModel, type VirtioModelFactory } from './model.ts';
import { RingError } from './queue.ts';
import { gather, totalLength } from './segments.ts';

/** Pages of the balloon are of this size, whatever the guest's are (virtio 1.2, 5.5.6). */
const PAGE = 4096;
const WORDS = PAGE / 4;

/** Queues (5.5.2). */
const INFLATE = 0;
const DEFLATE = 1;
const QUEUE_SIZE = 128;

/** Feature bits (5.5.3). */
const F_DEFLATE_ON_OOM = 2;
const F_PAGE_REPORTING = 5;

/** Configuration space (5.5.4): num_pages u32, actual u32, free_page_hint_cmd_id u32, poison_val u32. */
const CONFIG_ACTUAL = 4;
const CONFIG_POISON = 8;
const CONFIG_SIZE = 16;

/** Longest list of page numbers in one buffer; a driver's name 256 pages. Bounds the work of one buffer. */
const MAX_LIST = 2 ** 18;

const COMMAND_INFLATE = 1;

/** The command that asks the guest for memory, for {@link Device.control}. @param bytes how much it is to give in all, 0 to 16 TiB */
export function balloonInflate(bytes: number): Uint8Array {
  const pages = Math.floor(bytes / PAGE);
  if (!(pages >= 0 && pages <= 0xffff_ffff))
    throw new RangeError(`a balloon of ${bytes} bytes: expected 0 to ${0xffff_ffff * PAGE}`);
  const command = new Uint8Array(5);
  command[0] = COMMAND_INFLATE;
  new DataView(command.buffer).setUint32(1, pages, true);
  return command;
}

/** Makes the whole pages of a stretch of RAM zero. Those that are zero already are not written, so they are not dirty either. */
function dropPages(ram: DmaMemory, address: number, length: number): void {
  const first = Math.ceil(address / PAGE) * PAGE;
  const pages = Math.floor((address + length - first) / PAGE);
  if (pages < 1) return;
  const words = new Uint32Array(
    ram.bytes.buffer,
    ram.bytes.byteOffset + ram.offsetOf(first, pages * PAGE),
    pages * WORDS,
  );
  for (let page = 0; page < pages; page++) {
    let at = page * WORDS;
    const end = at + WORDS;
    while (at < end && words[at] === 0) at++;
    if (at < end) ram.fill(first + page * PAGE, PAGE, 0);
  }
}

/**
 * Memory balloon (virtio 1.2, 5.5) with free page reporting. The host says how much memory it wants ({@link balloonInflate}); pages that
 * the guest puts into the balloon, and free ones it reports, are zero from then on. So they cost nothing in checkpoints and
 * snapshots, and the guest finds the same in them on every run.
 */
class VirtioBalloon implements VirtioModel {
  readonly name = 'balloon';
  readonly id = VIRTIO_ID.balloon;
  readonly features = [F_DEFLATE_ON_OOM, F_PAGE_REPORTING];
  /**
   * Inflate, deflate, and the reporting queue twice: the specification numbers it 4, whatever other queues there are; Linux and QEMU number
   * only queues that are there, which makes it 2. Queue 3 is not there.
   */
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, 0, QUEUE_SIZE];
  readonly config = new Uint8Array(CONFIG_SIZE);
  private readonly bus: VirtioBus;

  private readonly initial: Uint8Array;

  constructor(bus: VirtioBus, bytes: number) {
    this.bus = bus;
    this.initial = balloonInflate(bytes).subarray(1);
    this.powerOn();
  }

  reset(): void {
    this.config.fill(0, CONFIG_ACTUAL, CONFIG_POISON);
  }

  powerOn(): void {
    this.config.fill(0);
    this.config.set(this.initial);
  }

  writeConfig(offset: number, value: number): void {
    if (offset >= CONFIG_ACTUAL && offset < CONFIG_POISON) this.config[offset] = value;
  }

  notify(index: number): void {
    const queue = this.bus.queue(index);
    const { ram } = this.bus.context;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      if (index === INFLATE) {
        const length = totalLength(chain.readable);
        if (length > MAX_LIST) throw new RingError(`balloon list of ${length} bytes in one buffer`);
        const list = new DataView(gather(ram, chain.readable).buffer);
        for (let at = 0; at + 4 <= length; at += 4) {
          const page = list.getUint32(at, true) * PAGE;
          if (!ram.contains(page, PAGE))
            throw new RingError(`page 0x${page.toString(16)} of the balloon is outside RAM`);
          dropPages(ram, page, PAGE);
        }
      } else if (index !== DEFLATE) {
        for (const { address, length } of chain.writable) dropPages(ram, address, length);
      }
      queue.push(chain.head, 0);
    }
    this.bus.signal(index);
  }

  control(command: Uint8Array): void {
    if (command.length !== 5 || command[0] !== COMMAND_INFLATE)
      throw new RangeError('a balloon knows no command but to inflate (5 bytes)');
    this.config.set(command.subarray(1));
    this.bus.configChanged();
  }

  save(w: StateWriter): void {
    for (let i = 0; i < CONFIG_POISON; i++) w.u8(this.config[i]);
  }

  restore(r: StateReader): void {
    for (let i = 0; i < CONFIG_POISON; i++) this.config[i] = r.u8();
  }
}

/** Builds a memory balloon. @param bytes what it is to hold from power-on */
export function virtioBalloon(bytes = 0): VirtioModelFactory {
  return (bus) => new VirtioBalloon(bus, bytes);
}

/** A memory balloon in a slot. */
export interface BalloonSlot {
  readonly kind: 'balloon';
  /** Bytes of memory that the host asks of the guest from power-on. */
  readonly bytes: number;
}

export const balloonEntry: SlotEntry<BalloonSlot> = {
  kind: 'balloon',
  host: { output: 'frames', commands: { inflate: balloonInflate } },
  check({ bytes }) {
    try {
      balloonInflate(bytes);
    } catch (error) {
      throw new ConfigError((error as RangeError).message);
    }
  },
  model: ({ bytes }) => virtioBalloon(bytes),
};
