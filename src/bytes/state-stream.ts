import { ByteReader } from './reader.ts';

/** What states are written with. */
export { ByteWriter as StateWriter } from './writer.ts';

/** A saved state that cannot be read: damaged, foreign or of another version. */
export class StateError extends Error {
  override name = 'StateError';
}

/** Reads what {@link StateWriter} wrote. Every read past the end throws {@link StateError} with the offset. */
export class StateReader extends ByteReader {
  constructor(data: Uint8Array) {
    super(data, 'state');
  }

  protected override error(message: string): Error {
    return new StateError(message);
  }
}
