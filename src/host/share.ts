import { fsReply, REPLY_ROOM, readFsMessage } from '../devices/virtio/fs.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { SESSIONS } from '../fs/fuse/handles.ts';
import { type FuseReply, FuseServer } from '../fs/fuse/server.ts';
import type { NinePReply } from '../fs/ninep/answers.ts';
import { NinePServer } from '../fs/ninep/server.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import type { Machine } from '../machine/session/machine.ts';

/** A folder that answers for a machine's share. */
export interface AttachedShare {
  /** Takes the folder away: the guest's requests wait from now on. */
  detach(): Promise<void>;
}

/**
 * Has a file system answer for a machine's share: requests come out of the device, replies enter through the door and are recorded.
 * @param tag name of the share, one of the machine's `shares`
 * @throws RangeError when the machine has no share of that name
 */
export function attachShare<N extends object, H extends object>(
  machine: Machine,
  tag: string,
  fs: FileSystem<N, H>,
  room: HostRoom,
  options: { readonly readOnly?: boolean } = {},
): AttachedShare {
  const { pci = [] } = machine.config;
  const index = pci.findIndex((slot) => (slot.kind === 'fs' || slot.kind === '9p') && slot.tag === tag);
  if (index < 0) throw new RangeError(`the machine has no share "${tag}"`);
  const port = `pci${index}`;
  // Guests outlive servers (a branch, another process): what one gave must not be taken for what another did.
  const random = new DataView(room.entropy(4).buffer).getUint32(0, true);
  const session = 1 + (random % (SESSIONS - 1));
  const server =
    pci[index].kind === '9p'
      ? new NinePServer(fs, options)
      : new FuseServer(fs, { session, room: REPLY_ROOM, ...options });
  // Counts the guest's resets: what was asked before one is answered to nobody.
  let epoch = 0;
  const stop = machine.on('output', ({ port: from, bytes }) => {
    if (from !== port) return;
    const { sequence, fuse } = readFsMessage(bytes);
    if (fuse.length === 0) {
      epoch++;
      return void server.close();
    }
    const asked = epoch;
    const answer = (reply: FuseReply | NinePReply | undefined): void => {
      if (reply === undefined || asked !== epoch) return;
      for (const bytes of fsReply(sequence, reply.header, reply.body, 'room' in reply && reply.room))
        void machine.send(port, bytes, true);
    };
    const reply = server.handle(fuse);
    if (reply instanceof Promise) void reply.then(answer);
    else answer(reply);
  });
  return {
    async detach() {
      stop();
      await server.close();
    },
  };
}
