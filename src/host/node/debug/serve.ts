import type { Readable, Writable } from 'node:stream';
import { GuestInfo } from '../../../debug/guest-info.ts';
import { Monitor } from '../../../debug/monitor/monitor.ts';
import { Opening } from '../../../debug/opening.ts';
import { DebugError, type DebugTarget } from '../../../debug/target.ts';
import type { MoveOptions } from '../../../timeline/driver.ts';
import { serveDap, startDapServer } from './dap-server.ts';
import { startGdbServer } from './gdb-server.ts';
import { openSymbols, readSymbols } from './symbol-file.ts';

/** A place to listen at: `:1234`, `1234` or `HOST:1234`. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const LOOPBACK = '127.0.0.1';

/** @throws RangeError when it is no place */
export function parseListenAddress(text: string): ListenAddress {
  const m = /^(?:(\[[0-9a-fA-F:]+\]|[^:]*):)?(\d{1,5})$/.exec(text.trim());
  if (!m || Number(m[2]) > 65_535)
    throw new RangeError(`"${text}" is no place to listen at: expected :PORT or HOST:PORT`);
  return { host: (m[1] ?? '').replace(/^\[|\]$/g, '') || LOOPBACK, port: Number(m[2]) };
}

export interface ServeOptions {
  /** Where gdb connects. */
  readonly gdb?: ListenAddress;
  /** Where DAP clients connect, or `stdio` for the streams below. */
  readonly dap?: ListenAddress | 'stdio';
  readonly input?: Readable;
  readonly output?: Writable;
  /** ELF files, System.maps and folders, as {@link openSymbols} takes them. */
  readonly symbols?: readonly string[];
  /** The process that gdb debugs, by number or name; the whole machine if not given. */
  readonly process?: string;
  /** Writes to the past make a branch instead of being refused. */
  readonly autoBranch?: boolean;
  /** Goes where the machine shall be when clients find it; they may connect meanwhile. */
  readonly open?: (o: MoveOptions) => Promise<unknown>;
  /** Puts a branch into a file: on `monitor save`, and at the end. @returns what to tell */
  readonly store?: (recording: Uint8Array) => Promise<string>;
  /** Told what to say to the user. */
  readonly log: (line: string) => void;
  /** Ends the servers. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a machine to debuggers until the signal, or until the DAP client on standard streams is done.
 * @throws RangeError for symbol files that cannot be read; what listening throws
 */
export async function serveDebuggers(target: DebugTarget, options: ServeOptions): Promise<void> {
  const { title } = target;
  const { files, split } = await openSymbols(options.symbols ?? []);
  const guestInfo = new GuestInfo(target, split);
  for (const file of files) guestInfo.addFile(file);
  const monitor = new Monitor(target, guestInfo);
  monitor.store = options.store;
  monitor.readFile = readSymbols;
  const closers: (() => Promise<void>)[] = [];
  const until: Promise<void>[] = [];
  const opened = openFirst(monitor, options);
  if (options.dap === 'stdio') {
    if (!options.input || !options.output) throw new RangeError('DAP over standard streams needs both of them');
    until.push(serveDap(target, guestInfo, options.input, options.output, monitor, options.autoBranch));
  } else if (options.dap) {
    const server = await startDapServer(target, guestInfo, {
      ...options.dap,
      monitor,
      autoBranch: options.autoBranch,
    });
    closers.push(() => server.close());
    options.log(`${title} waits for a DAP client at ${options.dap.host}:${server.port}`);
  }
  if (options.gdb) {
    const place = options.gdb;
    const listen = async (): Promise<void> => {
      const server = await startGdbServer(target, guestInfo, {
        ...place,
        autoBranch: options.autoBranch,
        ...(options.process !== undefined && { process: options.process }),
        monitor,
        log: options.log,
      });
      closers.push(() => server.close());
      options.log(
        `${title} waits for gdb: gdb-multiarch -ex 'set architecture riscv:rv64' -ex 'target remote ${server.host}:${server.port}'`,
      );
    };
    const listening = listen();
    // A port that cannot be had ends the command.
    until.push(listening.then(() => new Promise<void>(() => undefined)));
  }
  if (options.dap !== 'stdio') {
    until.push(
      new Promise((resolve) => {
        if (options.signal?.aborted) resolve();
        options.signal?.addEventListener('abort', () => resolve(), { once: true });
      }),
    );
  }
  await Promise.race(until);
  monitor.opening?.interrupt();
  await opened;
  for (const close of closers) await close();
  if (options.store && !target.readOnly) await saveBranch(target, options.store, options.log);
}

/** Has the machine go where it shall be, before anything that clients ask for. */
function openFirst(monitor: Monitor, { open, log }: ServeOptions): Promise<void> {
  if (open === undefined) return Promise.resolve();
  const opening = new Opening();
  monitor.opening = opening;
  return monitor
    .exclusively(() => opening.run(open))
    .catch((e: unknown) => log(e instanceof Error ? e.message : String(e)));
}

async function saveBranch(
  target: DebugTarget,
  store: NonNullable<ServeOptions['store']>,
  log: (line: string) => void,
): Promise<void> {
  try {
    log(await store(target.save()));
  } catch (e) {
    if (!(e instanceof DebugError)) throw e;
    log(e.message);
  }
}
