/** What a network needs of its host. Nothing is reported to a handler before the call that named it has returned. */
import type { Endpoint, IpAddress } from './address.ts';

/** Why a stream of the host ended early. */
export type StreamFailure = 'refused' | 'unreachable' | 'prohibited' | 'timeout' | 'reset';

/** What a stream reports. */
export interface StreamHandler {
  /** The connection is made. */
  opened(): void;
  /** Bytes arrived; they belong to the handler. */
  data(bytes: Uint8Array): void;
  /** So many of the bytes written have left: there is room for as many more. */
  drained(bytes: number): void;
  /** The other side has nothing more to send. */
  ended(): void;
  /** The stream is over. */
  failed(why: StreamFailure): void;
}

/** A TCP connection of the host's, or what acts like one. After `failed`, or `reset`, nothing more is reported. */
export interface HostStream {
  /** Sends bytes, which belong to the stream from now on. */
  write(bytes: Uint8Array): void;
  /** There is nothing more to send. */
  end(): void;
  /** Breaks the connection off. */
  reset(): void;
  /** Stops or allows `data`; what is on its way may still come. */
  pause(): void;
  resume(): void;
}

/** Datagrams of one port of the guest's. */
export interface HostDatagrams {
  send(to: Endpoint, data: Uint8Array): void;
  close(): void;
}

/** The host's network. */
export interface HostNetwork {
  connect(to: Endpoint, handler: StreamHandler): HostStream;
  /** A socket for datagrams to addresses of one version of IP. @param received reports what comes in, and from where */
  datagrams(version: 4 | 6, received: (from: Endpoint, data: Uint8Array) => void): HostDatagrams;
  /** All addresses of a name; none when there is no such name. Rejects when nobody can say. */
  lookup(name: string): Promise<readonly IpAddress[]>;
  /** Asks the host's resolver with a DNS message. Rejects when it doesn't answer. */
  query(message: Uint8Array): Promise<Uint8Array>;
  /** Whether an address is one of the host's own (its loopback apart, which is always). */
  isOwn(address: IpAddress): boolean;
}
