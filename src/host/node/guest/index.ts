/** The guest on the user's machine: made from Debian packages, kept in the user's cache. */
export {
  buildDisk,
  buildGuest,
  findDisk,
  findGuest,
  type GuestBuildOptions,
  type GuestDisk,
  type GuestImages,
  type GuestProgress,
  listGuests,
} from './build.ts';
export { type CachedBuild, cacheDirectory, GuestCache } from './cache.ts';
export { BRING_YOUR_OWN, GuestBuildError } from './errors.ts';
