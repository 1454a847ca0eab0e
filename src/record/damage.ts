/** Whether an error says that bytes are not what they should be, in contrast to a source that cannot be read. */
export const isDamage = (error: unknown): error is Error =>
  error instanceof Error && ['RecordingError', 'RangeError', 'StateError'].includes(error.name);
