/**
 * A file that cannot be booted, or that does not fit. The message is for the person who named the file: it says which file, what
 * was found, what was expected and what to do, and is shown without a stack.
 */
export class LoadError extends Error {
  override name = 'LoadError';
  /** The file as the user named it. */
  readonly file: string;

  constructor(file: string, problem: string, advice: string) {
    super(`${file}: ${problem}. ${advice}.`);
    this.file = file;
  }
}

/** A size for people: bytes below 1 KiB, otherwise KiB or MiB with at most one decimal. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  const [value, unit] = bytes < 1024 * 1024 ? [bytes / 1024, 'KiB'] : [bytes / (1024 * 1024), 'MiB'];
  return `${Number(value.toFixed(1))} ${unit}`;
}

/** An address for people. */
export const formatAddress = (address: number): string => `0x${address.toString(16)}`;
