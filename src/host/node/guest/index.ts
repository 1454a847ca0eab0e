/** The guest on the user's machine: made from Debian packages, kept in the user's cache. */
export {
  buildDisk,
  buildGuest,
  type DiskBuildOptions,
  findDisk,
  findGuest,
  type GuestBuildOptions,
  type GuestDisk,
  type GuestImages,
  type GuestProgress,
  listGuests,
} from './build.ts';
export { cacheDirectory, GuestCache } from './cache.ts';
export { GuestBuildError } from './errors.ts';
export { forgetStart, provideStart, waitingGuest } from './start.ts';
