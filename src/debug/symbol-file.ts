import { CallFrames } from '../symbols/dwarf/call-frames.ts';
import { DebugInfo } from '../symbols/dwarf/debug-info.ts';
import { dwarfSections } from '../symbols/dwarf/sections.ts';
import { LineTable } from '../symbols/dwarf-lines.ts';
import type { ElfFile } from '../symbols/elf.ts';
import { type NamedAddress, SymbolTable } from '../symbols/table.ts';

const ALL = 0xffff_ffff_ffff_ffffn;
/** Symbols that a program has without its table of them: those that libraries are linked by. */
const FEW = 1;

/** A file with symbols, where it lies in the guest. What it holds is read when it is asked for. */
export class SymbolFile {
  readonly name: string;
  /** Addresses it covers, moved by where it was loaded. */
  readonly start: bigint;
  readonly end: bigint;
  /** What is added to the file's addresses. */
  readonly bias: bigint;
  /** The program itself rather than a library: thread-local objects of it are where the thread pointer says. */
  readonly isProgram: boolean;
  readonly buildId: string | undefined;
  private readonly elf: ElfFile | undefined;
  private readonly separate: ElfFile | undefined;
  private table: SymbolTable | undefined;
  private lineTable: LineTable | undefined | null = null;
  private info: DebugInfo | undefined | null = null;
  private frames: CallFrames | undefined | null = null;

  /**
   * @param loadedAt where its lowest address lies in the guest; its own when not given
   * @param separate the file that its debug information was moved to
   */
  constructor(
    elf: ElfFile | undefined,
    name: string,
    options: { readonly loadedAt?: bigint; readonly separate?: ElfFile | undefined; readonly isProgram?: boolean } = {},
  ) {
    this.name = name;
    this.elf = elf;
    this.separate = options.separate;
    this.isProgram = options.isProgram ?? true;
    this.bias = elf === undefined || options.loadedAt === undefined ? 0n : options.loadedAt - elf.base;
    this.start = (elf?.base ?? 0n) + this.bias;
    this.end = elf === undefined ? ALL : elf.end + this.bias;
    this.buildId = elf?.buildId;
  }

  /** Names alone, which say nothing of where they end. */
  static ofSymbols(symbols: readonly NamedAddress[], name: string): SymbolFile {
    const file = new SymbolFile(undefined, name);
    file.table = new SymbolTable(symbols);
    return file;
  }

  get symbols(): SymbolTable {
    const own = this.elf?.symbols ?? [];
    const more = this.separate?.symbols ?? [];
    return (this.table ??= new SymbolTable(more.length > FEW * own.length ? more : own));
  }

  get lines(): LineTable | undefined {
    if (this.lineTable === null)
      this.lineTable = this.firstOf((elf) => {
        const line = elf.section('.debug_line');
        const [str, lineStr] = [elf.section('.debug_str'), elf.section('.debug_line_str')];
        return line && new LineTable({ line, ...(str && { str }), ...(lineStr && { lineStr }) });
      });
    return this.lineTable;
  }

  get debugInfo(): DebugInfo | undefined {
    if (this.info === null)
      this.info = this.firstOf((elf) => {
        const sections = dwarfSections(elf, this.name);
        return sections && new DebugInfo(sections);
      });
    return this.info;
  }

  get callFrames(): CallFrames | undefined {
    if (this.frames === null) {
      const own = this.elf;
      const frame = this.firstOf((elf) => elf.section('.debug_frame'));
      const ehFrame = own?.section('.eh_frame');
      this.frames = frame || ehFrame ? new CallFrames(frame, ehFrame, own?.sectionAddress('.eh_frame')) : undefined;
    }
    return this.frames;
  }

  /** What the separate file has, else the file itself. What cannot be read is not there. */
  private firstOf<T>(get: (elf: ElfFile) => T | undefined): T | undefined {
    for (const elf of [this.separate, this.elf]) {
      if (elf === undefined) continue;
      try {
        const found = get(elf);
        if (found !== undefined) return found;
      } catch (e) {
        if (!(e instanceof RangeError)) throw e;
      }
    }
    return undefined;
  }
}
