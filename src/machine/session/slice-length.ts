/** Milliseconds a slice may take before the host's other tasks run. */
export const SLICE_TARGET = 8;
const SMALLEST = 20_000;
const LARGEST = 100_000_000;

/** How many instructions a slice has, so that it takes about {@link SLICE_TARGET}. */
export class SliceLength {
  /** Instructions. */
  current = 1_000_000;

  /** A slice executed so many instructions in so many milliseconds. One that ended early says nothing. */
  adapt(executed: number, took: number): void {
    if (executed < this.current / 2) return;
    const factor = Math.min(4, Math.max(0.25, SLICE_TARGET / Math.max(took, 0.1)));
    this.current = Math.round(Math.min(LARGEST, Math.max(SMALLEST, this.current * factor)));
  }
}
