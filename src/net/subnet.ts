import { ip, parsePrefix } from './address.ts';

/** The small network that a guest sees: laid out as QEMU's user network is, so that what people know of that holds. */
export const SUBNET = {
  v4: parsePrefix('10.0.2.0/24')!,
  mask: ip('255.255.255.0'),
  /** The router; with `--allow-host` also the host itself. */
  gateway: ip('10.0.2.2'),
  resolver: ip('10.0.2.3'),
  /** First address that the DHCP server gives away: a lone guest's. */
  guest: ip('10.0.2.15'),
  guests: 200,
  /** Unique local addresses (RFC 4193). */
  v6: parsePrefix('fd68:696e:6473::/64')!,
  gateway6: ip('fd68:696e:6473::2'),
  resolver6: ip('fd68:696e:6473::3'),
  linkLocal: ip('fe80::2'),
  gatewayMac: Uint8Array.of(0x02, 0x68, 0x73, 0x00, 0x00, 0x02),
} as const;

/** The name by which guests find the host. */
export const HOST_NAME = 'host.hindsight';

/** Seconds that a lease lasts. */
export const LEASE = 86_400;
