/** Single-letter extensions in the order of a canonical ISA string (Unprivileged Architecture, "ISA Extension Naming Conventions"). */
const LETTER_ORDER = 'iemafdqlcbkjtpvnh';

/** Sort key: Z extensions by the category their second letter names, then S extensions, alphabetically within. */
function rank(extension: string): string {
  if (!extension.startsWith('z')) return `1${extension}`;
  const category = LETTER_ORDER.indexOf(extension[1] ?? '');
  return `0${String.fromCharCode(97 + (category < 0 ? 25 : category))}${extension}`;
}

/**
 * The `riscv,isa` string of a base and its extensions, e.g. `rv64imac_zicsr_zba_sstc`: letters in canonical order, then Z and S
 * extensions. @throws RangeError for a name that is no extension of the base.
 */
export function isaString(base: string, extensions: readonly string[]): string {
  const width = base.slice(0, -1);
  const letters = new Set([base.slice(-1)]);
  const long: string[] = [];
  for (const extension of extensions) {
    if (!/^[a-z][a-z0-9]*$/.test(extension))
      throw new RangeError(`"${extension}" is no extension name: lower-case letters and digits`);
    if (extension.length === 1) letters.add(extension);
    else long.push(extension);
  }
  for (const letter of letters) {
    if (!LETTER_ORDER.includes(letter)) throw new RangeError(`"${letter}" is no single-letter extension`);
  }
  const ordered = [...LETTER_ORDER].filter((letter) => letters.has(letter)).join('');
  const sorted = [...new Set(long)].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  return [width + ordered, ...sorted].join('_');
}
