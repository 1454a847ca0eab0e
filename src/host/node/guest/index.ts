/** The guest on the user's machine: made from Debian packages, kept in the user's cache. */
export { buildDisk, buildGuest, findDisk, findGuest, listGuests, type GuestBuildOptions, type GuestDisk, type GuestImages, type GuestProgress } from './build.ts'
export { GuestCache, cacheDirectory, type CachedBuild } from './cache.ts'
export { BRING_YOUR_OWN, GuestBuildError } from './errors.ts'
