import { fromBase64 } from '../../bytes/base64.ts';
import { CORE_WASM_BASE64 } from '../../generated/core-wasm.ts';
import { type Exit, MACHINE, MACHINE_AT, ramTables } from '../../isa/layout.ts';
import type { Access, Core, CoreHost } from '../core.ts';

/** What assembly/index.ts exports. */
export interface CoreExports {
  run(hart: number, ticks: number): Exit;
  configure(ramSize: number, flags: number, decodeIndex: number, writeEntries: number, tableBits: number): void;
  ramChanged(offset: number, length: number): void;
  hartChanged(hart: number): void;
  dropDerived(): void;
  dropTranslations(): void;
  debugPointsChanged(places: boolean): void;
  clearDirty(): void;
  translate(hart: number, access: number): number;
  readCsr(hart: number, csr: number): number;
  writeCsr(hart: number, csr: number): number;
}

const compiled = new Map<string, WebAssembly.Module>();

/** A core from its base64; compiled once a realm. */
function moduleOf(base64: string): WebAssembly.Module {
  let module = compiled.get(base64);
  if (!module) {
    module = new WebAssembly.Module(fromBase64(base64)! as Uint8Array<ArrayBuffer>);
    compiled.set(base64, module);
  }
  return module;
}

/** Called when bytes of a page flagged PAGE_FLAG.TRANSLATED change: RAM offset and length, within one page. */
export type TranslatedStore = (offset: number, length: number) => void;

/** Instantiates a core over a machine's memory and tells it the layout of RAM. @param more imports besides those of every core */
export function instantiateCore<E extends CoreExports = CoreExports>(
  base64: string,
  memory: WebAssembly.Memory,
  host: CoreHost,
  translatedStore: TranslatedStore,
  more: WebAssembly.Imports = {},
): E {
  const instance = new WebAssembly.Instance(moduleOf(base64), {
    ...more,
    env: { memory },
    host: {
      mmioRead: (address: number, width: number): number => (host.mmioRead(address, width) ? 1 : 0),
      mmioWrite: (address: number, width: number): number => (host.mmioWrite(address, width) ? 1 : 0),
      translatedStore,
      pointMet: (index: number): number => (host.pointMet(index >>> 0) ? 1 : 0),
      pageAbsent: (page: number): void => host.pageAbsent(page),
    },
  });
  const exports = instance.exports as unknown as E;
  const ramSize = Number(new DataView(memory.buffer).getBigUint64(MACHINE_AT + MACHINE.ramSize, true));
  const tables = ramTables(ramSize);
  exports.configure(ramSize, tables.flags, tables.decodeIndex, tables.writeEntries, tables.tableBits);
  return exports;
}

/** The part of {@link Core} that every core built on assembly/ shares. */
export function coreOver(exports: CoreExports, memory: WebAssembly.Memory, kind: Core['kind']): Core {
  const view = new DataView(memory.buffer, MACHINE_AT);
  const mail = (value: bigint): void => view.setBigUint64(MACHINE.mmioLow, BigInt.asUintN(64, value), true);
  const answer = (): bigint => view.getBigUint64(MACHINE.mmioLow, true);
  return {
    kind,
    run: exports.run,
    ramChanged: exports.ramChanged,
    hartChanged: exports.hartChanged,
    dropDerived: exports.dropDerived,
    dropTranslations: exports.dropTranslations,
    debugPointsChanged: exports.debugPointsChanged,
    clearDirty: exports.clearDirty,
    translate(hart: number, address: bigint, access: Access): bigint {
      mail(address);
      return exports.translate(hart, access) ? answer() : -1n;
    },
    readCsr: (hart: number, csr: number): bigint | undefined => (exports.readCsr(hart, csr) ? answer() : undefined),
    writeCsr(hart: number, csr: number, value: bigint): boolean {
      mail(value);
      return exports.writeCsr(hart, csr) !== 0;
    },
  };
}

/**
 * The interpreter in WebAssembly. @param memory laid out as {@link ../../isa/layout.ts} says, with MACHINE.ramSize, hartCount and extensions
 * already set.
 */
export function createWasmCore(memory: WebAssembly.Memory, host: CoreHost): Core {
  return coreOver(
    instantiateCore(CORE_WASM_BASE64, memory, host, () => {}),
    memory,
    'wasm',
  );
}
