/** Writes to a disk with an overlay until it is killed, and says what it has flushed: `FILE OVERLAY [JOURNAL]`: with a journal it writes back. See overlay-kill.test.ts. */
import { openDiskFile } from '../../src/host/node/disk-file.ts';
import { KeptDisk } from '../../src/host/node/overlay-file.ts';
import { OverlayDisk } from '../../src/storage/index.ts';

const [file, overlay, journal] = process.argv.slice(2);
const kept = await KeptDisk.open(openDiskFile(file!), overlay!, file!, journal ? { write: 'back', journal } : {});
const disk = new OverlayDisk(kept);
kept.keepWrites(disk, () => true);
const round = new Uint8Array(512);
disk.prefetch(0, 512).finish(0, round);
// Every sector of the disk has the same number in each round, whatever else is being written: so a round is there whole, or not at all.
for (let i = new DataView(round.buffer).getUint32(0, true) + 1; ; i++) {
  const bytes = new Uint8Array(kept.size);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += 512) view.setUint32(at, i, true);
  disk.write(0, bytes);
  disk.flush();
  process.stdout.write(`${i}\n`);
  // Time for what is in the journal to be put into the overlay, now and then.
  if (journal && i % 40 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  if (journal && i % 97 === 0) kept.setWrites(kept.written.policy === 'back' ? 'through' : 'back', journal);
}
