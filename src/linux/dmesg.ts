import type { LinuxKernel } from './kernel.ts';

/** A line of the kernel's log. */
export interface LogLine {
  /** Nanoseconds since boot. */
  readonly time: bigint;
  /** 0 emergency … 7 debug. */
  readonly level: number;
  readonly text: string;
}

const STATE_SHIFT = 62n;
const ID_MASK = (1n << STATE_SHIFT) - 1n;
/** States of a descriptor that holds a whole line (Linux kernel/printk/printk_ringbuffer.h). */
const COMMITTED = 1n;
const FINALIZED = 2n;

/** The kernel's log from its ring buffer, oldest line first. */
export function dmesg(kernel: LinuxKernel): LogLine[] {
  const ring = kernel.pointer(kernel.address('prb'));
  const get = (path: string): bigint => kernel.get('printk_ringbuffer', ring, path);
  const countBits = get('desc_ring.count_bits');
  const mask = (1n << countBits) - 1n;
  const descs = get('desc_ring.descs');
  const infos = get('desc_ring.infos');
  const head = get('desc_ring.head_id.counter') & ID_MASK;
  const tail = get('desc_ring.tail_id.counter') & ID_MASK;
  const sizeBits = get('text_data_ring.size_bits');
  const text = kernel.read(get('text_data_ring.data'), Number(1n << sizeBits));
  const descSize = BigInt(kernel.btf.sizeOf(kernel.btf.struct('prb_desc')));
  const infoSize = BigInt(kernel.btf.sizeOf(kernel.btf.struct('printk_info')));
  const out: LogLine[] = [];
  for (let id = tail, n = 0n; n <= mask; id = (id + 1n) & ID_MASK, n++) {
    const desc = descs + (id & mask) * descSize;
    const state = kernel.get('prb_desc', desc, 'state_var.counter');
    const kind = state >> STATE_SHIFT;
    if ((state & ID_MASK) === id && (kind === COMMITTED || kind === FINALIZED)) {
      const info = infos + (id & mask) * infoSize;
      const begin = kernel.get('prb_desc', desc, 'text_blk_lpos.begin');
      const next = kernel.get('prb_desc', desc, 'text_blk_lpos.next');
      const length = Number(kernel.get('printk_info', info, 'text_len'));
      // A block that would cross the end lies at the beginning; each starts with its descriptor's number.
      const at =
        begin & 1n ? -1 : Number(begin >> sizeBits === next >> sizeBits ? begin & ((1n << sizeBits) - 1n) : 0n) + 8;
      out.push({
        time: kernel.get('printk_info', info, 'ts_nsec'),
        level: Number(kernel.get('printk_info', info, 'level')),
        text: at < 0 ? '' : new TextDecoder().decode(text.subarray(at, at + length)),
      });
    }
    if (id === head) break;
  }
  return out;
}
