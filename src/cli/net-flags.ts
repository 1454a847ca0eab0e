import type { NetSlot } from '../devices/virtio/net.ts';
import { MachineNetwork, type NetworkOptions } from '../host/node/net/network.ts';
import type { MachineConfig } from '../machine/board/config.ts';
import { UsageError } from './exit.ts';

/** Flags that say what a machine's network device is wired to, as typed. */
export interface NetFlags {
  readonly net?: string;
  readonly publish?: readonly string[];
  readonly allow?: readonly string[];
  readonly allowHost?: boolean;
}

/** @returns undefined when no network is wanted @throws UsageError */
function networkOptions({ net = 'none', publish, allow, allowHost }: NetFlags): NetworkOptions | undefined {
  if (net !== 'none')
    return {
      wire: net,
      ...(publish && { publish }),
      ...(allow && { allow }),
      ...(allowHost !== undefined && { allowHost }),
    };
  const flag = publish ? '--publish' : allow ? '--allow' : allowHost ? '--allow-host' : undefined;
  if (flag !== undefined) throw new UsageError(`${flag} needs a network; add --net user`);
  return undefined;
}

/**
 * Opens the network that the flags ask for, if they do: published ports listen already.
 * @throws UsageError, NetworkOptionError
 */
export async function openNetwork(flags: NetFlags, quiet: boolean): Promise<MachineNetwork | undefined> {
  const options = networkOptions(flags);
  return options && announced(await MachineNetwork.open(options), quiet);
}

/** As {@link openNetwork}, for the device of a recorded machine. @throws UsageError when it has none */
export async function openNetworkOf(
  config: MachineConfig,
  flags: NetFlags,
  quiet: boolean,
): Promise<MachineNetwork | undefined> {
  const options = networkOptions(flags);
  if (options === undefined) return undefined;
  const slot = config.slots.find((entry): entry is NetSlot => entry.kind === 'net');
  if (slot === undefined)
    throw new UsageError('--net: the recorded machine has no network device; it would have to be recorded with --net');
  return announced(await MachineNetwork.open({ ...options, slot }), quiet);
}

function announced(network: MachineNetwork, quiet: boolean): MachineNetwork {
  if (!quiet)
    for (const { host, port, guestPort, protocol } of network.published)
      process.stderr.write(`hindsight: ${host}:${port} is port ${guestPort}/${protocol} of the guest\n`);
  return network;
}
