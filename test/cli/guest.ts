import { buildGuest, GuestBuildError, type GuestImages } from '../../src/host/node/guest/index.ts';

/** The guest, made when it is not there; undefined, with the reason shown, where it cannot be made. */
export const guest: GuestImages | undefined = await buildGuest().catch((error: unknown) => {
  if (!(error instanceof GuestBuildError)) throw error;
  process.stderr.write(`tests that boot the guest are skipped: ${error.message}\n`);
  return undefined;
});
