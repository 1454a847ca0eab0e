/** From files to a machine ready to run. */
export { buildDeviceTree, type DeviceTreeOptions, describeMachine } from '../board/device-tree.ts';
export { isaString } from '../board/device-tree-isa.ts';
export { type BootImage, type ImageSegment, loadKernel, readFirmware, readKernel } from './image.ts';
export { LoadError } from './load-error.ts';
export { type BootPlan, type BootRequest, type HartStart, type Placement, placeInRam, planBoot } from './plan.ts';
