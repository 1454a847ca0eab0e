export { Aclint, type AclintOptions, TICKS_PER_MTIME, TIMEBASE_FREQUENCY } from './aclint.ts';
export { type Device, type DeviceContext, type DeviceFactory, type DevicePort, TICKS_PER_SECOND } from './device.ts';
export { PLIC_MAX_PRIORITY, PLIC_SOURCES, Plic, type PlicOptions } from './plic.ts';
export { GoldfishRtc } from './rtc.ts';
export {
  SYSCON_FAIL,
  SYSCON_POWEROFF,
  SYSCON_REBOOT,
  Syscon,
  type SysconOptions,
  type SysconRequest,
} from './syscon.ts';
export { UART_CLOCK_FREQUENCY, Uart16550 } from './uart16550.ts';
export { type VirtioBlkOptions, virtioBlk } from './virtio/blk.ts';
export { consoleResize, type VirtioConsoleOptions, virtioConsole } from './virtio/console.ts';
export { VirtioMmio } from './virtio/mmio.ts';
export { VIRTIO_ID, type VirtioBus, type VirtioModel, type VirtioModelFactory } from './virtio/model.ts';
export { type Chain, RingError, VirtQueue } from './virtio/queue.ts';
export { virtioRng } from './virtio/rng.ts';
export { gather, type Segment, scatter, sliceSegments, totalLength } from './virtio/segments.ts';
