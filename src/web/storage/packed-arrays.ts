/** Arrays of numbers under names, and texts, in one file. */
export type PackedArrays = Readonly<Record<string, Uint8Array | Float64Array | Int32Array | readonly string[]>>;

/** First line of the file; another one with every change of what is packed. */
const MAGIC = 'hindsight lanes 3\n';
const KINDS = { u: Uint8Array, f: Float64Array, i: Int32Array } as const;
type Kind = keyof typeof KINDS;

/** What the file says of an array: its name and kind, and how many elements it has. */
interface Entry {
  readonly name: string;
  readonly kind?: Kind;
  readonly count?: number;
  readonly texts?: readonly string[];
}

const kindOf = (array: Uint8Array | Float64Array | Int32Array): Kind =>
  array instanceof Uint8Array ? 'u' : array instanceof Float64Array ? 'f' : 'i';
const isTexts = (value: PackedArrays[string]): value is readonly string[] => Array.isArray(value);

/** Line, length of the list in 8 digits, the list as JSON, then the arrays' bytes in its order, in the byte order of this machine. */
export function packArrays(arrays: PackedArrays): Blob {
  const parts: BlobPart[] = [];
  const entries = Object.entries(arrays).map(([name, value]): Entry => {
    if (isTexts(value)) return { name, texts: value };
    parts.push(value as Uint8Array<ArrayBuffer>);
    return { name, kind: kindOf(value), count: value.length };
  });
  const list = new TextEncoder().encode(JSON.stringify(entries));
  return new Blob([MAGIC, String(list.length).padStart(8, '0'), list, ...parts]);
}

/** @returns undefined when the file is none that this page wrote */
export function unpackArrays(file: ArrayBuffer): PackedArrays | undefined {
  const text = (from: number, length: number): string =>
    new TextDecoder().decode(new Uint8Array(file, from, Math.min(length, Math.max(0, file.byteLength - from))));
  if (text(0, MAGIC.length) !== MAGIC) return undefined;
  try {
    const begin = MAGIC.length + 8;
    const length = Number(text(MAGIC.length, 8));
    let at = begin + length;
    const found: Record<string, PackedArrays[string]> = {};
    for (const { name, kind, count = 0, texts } of JSON.parse(text(begin, length)) as Entry[]) {
      if (kind === undefined) {
        found[name] = texts ?? [];
        continue;
      }
      const bytes = count * KINDS[kind].BYTES_PER_ELEMENT;
      found[name] = new KINDS[kind](file.slice(at, at + bytes));
      if (found[name].length !== count) return undefined;
      at += bytes;
    }
    return found;
  } catch {
    return undefined;
  }
}
