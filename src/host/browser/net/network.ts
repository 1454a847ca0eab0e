import { hexBytes } from '../../../bytes/hex.ts';
import { type NetSlot, netSlot } from '../../../devices/virtio/net.ts';
import type { HostRoom } from '../../../machine/session/host-room.ts';
import { parseMac } from '../../../net/address.ts';
import type { Link } from '../../../net/link.ts';
import { DEFAULT_MTU, Nat } from '../../../net/nat.ts';
import { NetworkOptionError } from '../../../net/policy.ts';
import { openChannel } from './channel-switch.ts';
import { FetchNetwork, relayNetwork } from './user-network.ts';

/** The network of a machine in a page. */
export interface WorkerNetwork {
  /** `user` (default): a network of its own, with a way out · `channel:NAME`: a switch that all tabs of this origin share */
  readonly wire?: string;
  /**
   * With `user`: address of a relay that speaks the Wisp protocol, such as `hindsight relay` (`ws:` or `wss:`). Without one the guest reaches what speaks
   * HTTP and allows this page to fetch it.
   */
  readonly relay?: string;
  /** With `user`: the only destinations that the guest may reach: addresses, blocks, names, `*.name`, each perhaps with `:PORT`. */
  readonly allow?: readonly string[];
  /** With `user`: the guest may reach the loopback of the relay's host, or of the browser's, at 10.0.2.2. */
  readonly allowHost?: boolean;
  /** Ethernet address; needed where machines share a wire, by default the same everywhere. */
  readonly mac?: string;
  /** 1280 to 65535; default 1500. */
  readonly mtu?: number;
}

const LONE_MAC = '52:54:00:12:34:56';

/** The device of a machine with this network, and what it is to be wired to. @throws NetworkOptionError */
export function openPageNetwork(
  options: WorkerNetwork,
  room: HostRoom,
): { readonly slot: NetSlot; readonly link: () => Link } {
  const { wire = 'user', relay, allow, allowHost, mtu = DEFAULT_MTU, mac = LONE_MAC } = options;
  const address = parseMac(mac);
  if (address === undefined) throw new NetworkOptionError(`mac ${mac}: expected a unicast address such as ${LONE_MAC}`);
  const slot = netSlot(address, mtu);
  const channel = /^channel:([\w.-]{1,64})$/.exec(wire)?.[1];
  if (channel !== undefined) return { slot, link: () => openChannel(channel) };
  if (wire !== 'user')
    throw new NetworkOptionError(`wire ${wire}: expected user or channel:NAME (letters, digits, dots, dashes)`);
  if (relay !== undefined && !/^wss?:\/\/./.test(relay))
    throw new NetworkOptionError(`relay ${relay}: expected the address of a WebSocket, such as ws://localhost:8081/`);
  const random = (): number => new DataView(room.entropy(4).slice().buffer).getUint32(0);
  const nat = new Nat({
    host: relay === undefined ? new FetchNetwork() : relayNetwork(relay),
    random,
    guestMac: hexBytes(slot.mac),
    mtu,
    ...(allow !== undefined && { allow }),
    ...(allowHost !== undefined && { allowHost }),
  });
  return { slot, link: () => nat };
}
