/** From files to a machine ready to run. */
export { buildDeviceTree, describeMachine, type DeviceTreeOptions } from './device-tree.ts';
export { isaString } from './device-tree-isa.ts';
export { LoadError } from './load-error.ts';
export { type BootImage, type ImageSegment, loadKernel, readFirmware, readKernel } from './load-image.ts';
export { type BootPlan, type BootRequest, type HartStart, type Placement, placeInRam, planBoot } from './load-plan.ts';
