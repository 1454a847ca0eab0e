export { type Rig, rig } from '../../src/machine/engine/rig.ts';
