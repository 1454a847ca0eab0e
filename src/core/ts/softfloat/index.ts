/** The floating point of the pure TypeScript core, independent of the AssemblyScript one. */
export { SoftFloat } from './conversion.ts';
