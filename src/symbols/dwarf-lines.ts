import { ByteReader } from '../bytes/reader.ts';

/** A place in a source file. */
export interface SourceLine {
  readonly file: string;
  readonly line: number;
}

/** Machine code from `address` to the next row comes from this line; line 0 ends a sequence. */
interface Row {
  readonly address: bigint;
  readonly file: string;
  readonly line: number;
  /** A good place to stop at; the others are of instructions that several lines share. */
  readonly statement: boolean;
}

/** Sections that line tables are read from. */
export interface LineSections {
  readonly line: Uint8Array;
  readonly str?: Uint8Array;
  readonly lineStr?: Uint8Array;
}

/** Forms of entry descriptions (DWARF 5, section 7.5.6). */
const FORM = {
  block: 0x09,
  data2: 0x05,
  data4: 0x06,
  data8: 0x07,
  data16: 0x1e,
  data1: 0x0b,
  string: 0x08,
  strp: 0x0e,
  lineStrp: 0x1f,
  udata: 0x0f,
} as const;
const CONTENT = { path: 1, directory: 2 } as const;
const STANDARD = {
  copy: 1,
  advancePc: 2,
  advanceLine: 3,
  setFile: 4,
  negateStatement: 6,
  constAddPc: 8,
  fixedAdvancePc: 9,
} as const;
const EXTENDED = { endSequence: 1, setAddress: 2 } as const;

/** Line number tables of DWARF 2 to 5 (DWARF 5, section 6.2). */
export class LineTable {
  private readonly rows: Row[] = [];
  /** Files of each table, by where it begins. */
  private readonly files = new Map<number, readonly string[]>();

  /** @throws RangeError when a table is malformed, naming the offset */
  constructor(sections: LineSections) {
    const r = new ByteReader(sections.line, '.debug_line');
    while (r.at < sections.line.length) readUnit(r, sections, this.rows, this.files);
    // At one address the end of a sequence comes before the beginning of the next.
    this.rows.sort((a, b) =>
      a.address < b.address ? -1 : a.address > b.address ? 1 : Math.sign(a.line) - Math.sign(b.line),
    );
  }

  get size(): number {
    return this.rows.length;
  }

  /** The addresses [start, end) around one that were made from the same line without interruption. */
  range(address: bigint): readonly [bigint, bigint] | undefined {
    let last = this.after(address);
    let first = last - 1;
    const row = this.rows[first];
    if (row === undefined || row.line === 0) return undefined;
    const same = (r: Row | undefined): boolean => r?.line === row.line && r.file === row.file;
    while (same(this.rows[last])) last++;
    while (same(this.rows[first - 1])) first--;
    return last < this.rows.length ? [this.rows[first].address, this.rows[last].address] : undefined;
  }

  /** The line an address was made from. */
  at(address: bigint): SourceLine | undefined {
    let i = this.after(address) - 1;
    // Of several rows at one address one that begins a statement is meant.
    const first = this.rows[i];
    for (let k = i; first !== undefined && !first.statement && this.rows[k]?.address === first.address; k--)
      if (this.rows[k].statement && this.rows[k].line !== 0) {
        i = k;
        break;
      }
    const row = this.rows[i];
    return row === undefined || row.line === 0 ? undefined : { file: row.file, line: row.line };
  }

  /** A file by its number in the table at an offset of the section. */
  fileName(table: number, number: number): string | undefined {
    return this.files.get(table)?.[number];
  }

  /** Source files that lines are of. */
  sources(): Set<string> {
    return new Set(this.rows.map(({ file }) => file));
  }

  /** Index of the first row beyond an address. */
  private after(address: bigint): number {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.rows[middle].address <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The lowest address of a line, or of the next line that has code. @param file its name or the end of its path */
  address(file: string, line: number): { address: bigint; line: number } | undefined {
    let best: Row | undefined;
    for (const row of this.rows) {
      if (row.line < line || !(row.file === file || row.file.endsWith(`/${file}`))) continue;
      if (best === undefined || row.line < best.line || (row.line === best.line && row.address < best.address))
        best = row;
    }
    return best && { address: best.address, line: best.line };
  }
}

function readUnit(r: ByteReader, sections: LineSections, rows: Row[], tables: Map<number, readonly string[]>): void {
  const begin = r.at;
  let length = r.u32();
  const wide = length === 0xffff_ffff;
  if (wide) length = Number(r.u64());
  const end = r.at + length;
  if (end > sections.line.length) throw new RangeError(`.debug_line: the table at offset ${begin} is cut off`);
  const version = r.u16();
  if (version < 2 || version > 5) {
    r.at = end;
    return;
  }
  if (version === 5) r.skip(2); // sizes of addresses and segment selectors
  const header = wide ? Number(r.u64()) : r.u32();
  const program = r.at + header;
  const minimum = r.u8();
  if (version >= 4) r.skip(1); // operations per instruction: 1
  const defaultStatement = r.u8() !== 0;
  const base = r.i8();
  const range = r.u8();
  const opcodeBase = r.u8();
  const lengths = Array.from({ length: Math.max(0, opcodeBase - 1) }, () => r.u8());
  if (range === 0) throw new RangeError(`.debug_line: the table at offset ${begin} has a line range of 0`);
  const files = version === 5 ? files5(r, sections, wide) : files4(r);
  tables.set(begin, files);
  r.at = program;

  let address = 0n;
  let file = 1;
  let line = 1;
  let statement = defaultStatement;
  const reset = (): void => {
    address = 0n;
    file = 1;
    line = 1;
    statement = defaultStatement;
  };
  const emit = (at = line): void => {
    rows.push({ address, file: files[file] ?? '?', line: at, statement });
  };
  while (r.at < end) {
    const op = r.u8();
    if (op >= opcodeBase) {
      const adjusted = op - opcodeBase;
      address += BigInt(Math.floor(adjusted / range) * minimum);
      line += base + (adjusted % range);
      emit();
    } else if (op === 0) {
      const size = r.uleb();
      const next = r.at + size;
      const sub = r.u8();
      if (sub === EXTENDED.endSequence) {
        emit(0);
        reset();
      } else if (sub === EXTENDED.setAddress) address = r.u64();
      r.at = next;
    } else if (op === STANDARD.copy) emit();
    else if (op === STANDARD.advancePc) address += BigInt(r.uleb() * minimum);
    else if (op === STANDARD.advanceLine) line += r.sleb();
    else if (op === STANDARD.setFile) file = r.uleb();
    else if (op === STANDARD.negateStatement) statement = !statement;
    else if (op === STANDARD.constAddPc) address += BigInt(Math.floor((255 - opcodeBase) / range) * minimum);
    else if (op === STANDARD.fixedAdvancePc) address += BigInt(r.u16());
    else for (let i = 0; i < lengths[op - 1]; i++) r.uleb();
  }
  r.at = end;
}

const join = (directory: string, name: string): string =>
  name.startsWith('/') || directory === '' ? name : `${directory}/${name}`;

/** Directories and files before DWARF 5: numbered from 1, the compilation directory is not among them. */
function files4(r: ByteReader): string[] {
  const directories = [''];
  for (let d = r.textToNul(); d !== ''; d = r.textToNul()) directories.push(d);
  const files = [''];
  for (let name = r.textToNul(); name !== ''; name = r.textToNul()) {
    files.push(join(directories[r.uleb()] ?? '', name));
    r.uleb();
    r.uleb();
  }
  return files;
}

/** Directories and files of DWARF 5: numbered from 0. */
function files5(r: ByteReader, sections: LineSections, wide: boolean): string[] {
  const directories = entries(r, sections, wide).map((e) => e.path);
  return entries(r, sections, wide).map((e) =>
    join(join(directories[0] ?? '', directories[e.directory] ?? ''), e.path),
  );
}

function entries(r: ByteReader, sections: LineSections, wide: boolean): { path: string; directory: number }[] {
  const format = Array.from({ length: r.u8() }, () => ({ content: r.uleb(), form: r.uleb() }));
  return Array.from({ length: r.uleb() }, () => {
    let path = '';
    let directory = 0;
    for (const { content, form } of format) {
      const value = formValue(r, form, sections, wide);
      if (content === CONTENT.path) path = String(value);
      else if (content === CONTENT.directory) directory = Number(value);
    }
    return { path, directory };
  });
}

function formValue(r: ByteReader, form: number, sections: LineSections, wide: boolean): string | number {
  const offset = (): number => (wide ? Number(r.u64()) : r.u32());
  switch (form) {
    case FORM.string:
      return r.textToNul();
    case FORM.lineStrp:
      return new ByteReader(sections.lineStr ?? new Uint8Array(0), '.debug_line_str', offset()).textToNul();
    case FORM.strp:
      return new ByteReader(sections.str ?? new Uint8Array(0), '.debug_str', offset()).textToNul();
    case FORM.udata:
      return r.uleb();
    case FORM.data1:
      return r.u8();
    case FORM.data2:
      return r.u16();
    case FORM.data4:
      return r.u32();
    case FORM.data8:
      return Number(r.u64());
    case FORM.data16:
      r.skip(16);
      return 0;
    case FORM.block:
      r.skip(r.uleb());
      return 0;
    default:
      throw new RangeError(`.debug_line: form 0x${form.toString(16)} at offset ${r.at} is not one of a file table's`);
  }
}
