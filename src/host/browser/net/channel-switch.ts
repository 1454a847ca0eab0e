import type { Link } from '../../../net/link.ts';
import { Switch } from '../../../net/switch.ts';

/** A switch of this worker's, and the channel to those of the same name in other workers and tabs of this origin. */
interface SharedSwitch {
  readonly local: Switch;
  readonly channel: BroadcastChannel;
  machines: number;
}

/** What passes on a channel. */
interface SentFrame {
  /** Of the sender's clock. */
  readonly turn: number;
  readonly frame: Uint8Array;
}

const open = new Map<string, SharedSwitch>();

function share(name: string): SharedSwitch {
  const local = new Switch();
  const channel = new BroadcastChannel(`hindsight-switch-${name}`);
  const port = local.attach((frame) => channel.postMessage({ turn: local.turns.now, frame } satisfies SentFrame));
  channel.onmessage = ({ data }: { readonly data: Partial<SentFrame> | null }) => {
    if (!(data?.frame instanceof Uint8Array)) return;
    if (typeof data.turn === 'number') local.turns.heard(data.turn);
    port.send(data.frame);
  };
  return { local, channel, machines: 0 };
}

/** A wire to a switch that all tabs of an origin share by its name. */
export function openChannel(name: string): Link {
  let shared = open.get(name);
  if (shared === undefined) open.set(name, (shared = share(name)));
  const { local, channel } = shared;
  shared.machines++;
  return local.connect(() => {
    if (--shared.machines > 0) return;
    channel.close();
    open.delete(name);
  });
}
