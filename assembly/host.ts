// The complete list of what the core imports (with `env.memory`); see src/core/wasm/core.ts.

/** Physical read outside RAM; the value comes back in MACHINE.mmioLow/High. Addresses are below 2^53. @returns false: nothing there. */
@external("host", "mmioRead")
export declare function mmioRead(address: f64, width: u32): bool;

/** Physical write outside RAM of MACHINE.mmioLow/High. @returns false: nothing there. */
@external("host", "mmioWrite")
export declare function mmioWrite(address: f64, width: u32): bool;

/** Bytes of a page with translated code changed. */
@external("host", "translatedStore")
export declare function translatedStore(offset: u32, length: u32): void;

/** Exact execute point `index` was met while MACHINE.asksHost is set. Called with HART.pc and MACHINE.left as before the instruction. @returns true: go on */
@external("host", "pointMet")
export declare function pointMet(index: u32): bool;

/** A page flagged ABSENT is needed: its contents are in place afterwards. */
@external("host", "pageAbsent")
export declare function pageAbsent(page: u32): void;
