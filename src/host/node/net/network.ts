import { randomBytes } from 'node:crypto';
import { hexBytes } from '../../../bytes/hex.ts';
import { type NetSlot, netSlot } from '../../../devices/virtio/net.ts';
import type { GuestBoot } from '../../../guest/cmdline.ts';
import type { Machine } from '../../../machine/session/machine.ts';
import type { Link } from '../../../net/link.ts';
import { DEFAULT_MTU, Nat } from '../../../net/nat.ts';
import { isShaped, parseWire, type WireOptions } from '../../../net/options.ts';
import { NetworkOptionError } from '../../../net/policy.ts';
import { Shaper } from '../../../net/shaper.ts';
import { NodeNetwork } from './host-network.ts';
import { type Published, parsePublished, publish } from './publish.ts';
import { openSwitch } from './switch-socket.ts';

/** The network of a machine on this host. */
export interface NetworkOptions {
  /**
   * `user`: the host's network by address translation · `switch:NAME`: a switch that this user's processes share · either with settings, such as
   * `user,rate=10M,delay=20ms,loss=1%` (see {@link WireOptions})
   */
  readonly wire?: string;
  /** Ports of the host that lead to the guest's: `[ADDRESS:]PORT:PORT[/udp]`, on 127.0.0.1 unless an address is given. Only with `user`. */
  readonly publish?: readonly string[];
  /** The only destinations that the guest may reach: addresses, blocks, names, `*.name`, each perhaps with `:PORT`. Only with `user`. */
  readonly allow?: readonly string[];
  /** The guest may reach the host itself: its loopback at 10.0.2.2 (`host.hindsight`), and its own addresses. Only with `user`. */
  readonly allowHost?: boolean;
  /** The network device of a machine that is there already: its address and MTU are what they are. */
  readonly slot?: NetSlot;
}

/** Ethernet address of a guest that is alone on its wire: the same in every run. */
const LONE_MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);

/** Ethernet address that machines of a snapshot have until their guests take the one that was drawn for them. */
const COMMON_MAC = '525400123456';

interface NetworkParts {
  readonly slot: NetSlot;
  readonly hasOwnAddress?: boolean;
  readonly boot: NonNullable<GuestBoot['net']>;
  readonly link: Link;
  readonly published?: readonly Published[];
}

/** A wire on this host, for one machine. */
export class MachineNetwork implements Disposable {
  /** The machine's device. */
  readonly slot: NetSlot;
  /** The device's Ethernet address was made for this machine alone, by chance. */
  private readonly hasOwnAddress: boolean;
  /** What the guest is to do about its addresses. */
  readonly boot: NonNullable<GuestBoot['net']>;
  /** Published ports, in the order they were given, with the host's ports they have got. */
  readonly published: readonly Published[];
  private readonly link: Link;

  /** Use {@link open}. */
  constructor(parts: NetworkParts) {
    this.slot = parts.slot;
    this.hasOwnAddress = parts.hasOwnAddress ?? false;
    this.boot = parts.boot;
    this.link = parts.link;
    this.published = parts.published ?? [];
  }

  /** Opens the host's end: published ports listen already. @throws NetworkOptionError */
  static open(options: NetworkOptions): Promise<MachineNetwork> {
    const wire = parseWire(options.wire ?? 'user');
    const { to } = wire;
    return to === 'user' ? openUser(wire, options) : openShared(wire, to.switch, options);
  }

  /** The device of a machine that starts from a snapshot, which others start from too: with an address of its own for later. */
  get startSlot(): NetSlot {
    return this.hasOwnAddress ? { ...this.slot, mac: COMMON_MAC } : this.slot;
  }

  /** What /init of such a machine gets to set its network up. */
  get startBoot(): Pick<GuestBoot, 'net' | 'mac'> {
    return { net: this.boot, ...(this.hasOwnAddress && { mac: this.slot.mac.match(/../g)!.join(':') }) };
  }

  /** Wires the machine, which was made with {@link slot}; the network ends with it. */
  attach(machine: Machine): void {
    machine.plug(this.link);
  }

  /** Ends published ports and connections. */
  close(): void {
    this.link.close();
  }

  /** {@link close} by another name. */
  [Symbol.dispose](): void {
    this.close();
  }
}

const shaped = (link: Link, wire: WireOptions): Link => (isShaped(wire) ? new Shaper(link, wire) : link);

async function openUser(wire: WireOptions, options: NetworkOptions): Promise<MachineNetwork> {
  const slot = options.slot ?? netSlot(wire.mac ?? LONE_MAC, wire.mtu ?? DEFAULT_MTU);
  const { allow, allowHost } = options;
  if (wire.address !== undefined)
    throw new NetworkOptionError(`--net user: the guest gets its address by DHCP; ip= is for a switch`);
  const published = (options.publish ?? []).map(parsePublished);
  const nat = new Nat({
    host: new NodeNetwork(),
    random: () => randomBytes(4).readUInt32LE(),
    guestMac: hexBytes(slot.mac),
    mtu: slot.mtu,
    ...(allow !== undefined && { allow }),
    ...(allowHost !== undefined && { allowHost }),
  });
  const ports: Published[] = [];
  try {
    for (const wanted of published) ports.push({ ...wanted, port: await publish(nat, wanted) });
  } catch (error) {
    nat.close();
    throw error;
  }
  return new MachineNetwork({
    slot,
    boot: 'dhcp',
    link: shaped(nat, wire),
    published: ports,
  });
}

async function openShared(wire: WireOptions, name: string, options: NetworkOptions): Promise<MachineNetwork> {
  for (const key of ['publish', 'allow', 'allowHost'] as const) {
    if (options[key] !== undefined)
      throw new NetworkOptionError(
        `--${key === 'allowHost' ? 'allow-host' : key} is for --net user; on a switch there is no way to the host's network`,
      );
  }
  const mac = wire.mac ?? Uint8Array.of(0x52, 0x54, 0x00, ...randomBytes(3));
  const link = await openSwitch(name);
  return new MachineNetwork({
    slot: options.slot ?? netSlot(mac, wire.mtu ?? DEFAULT_MTU),
    hasOwnAddress: wire.mac === undefined,
    boot: wire.address ?? 'up',
    link: shaped(link, wire),
  });
}
