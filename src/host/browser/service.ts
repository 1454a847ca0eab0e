/** What a page may ask of the machine in its worker; every call crosses once, none per instruction or device access. */
import type { RunResult, RunUntil } from '../../machine/session/driver.ts';
import type { MachineOptions } from '../../machine/session/machine.ts';

/** Options that can be sent to a worker. */
export type WorkerMachineOptions = Omit<MachineOptions, 'disks' | 'record'>;

/** How far a machine came. */
export interface MachineProgress {
  /** Instructions over all harts. */
  readonly instructions: number;
  /** Seconds. */
  readonly guestTime: number;
}

/** The machine of a worker, for comlink. */
export interface MachineService {
  /**
   * Builds the worker's machine and powers it on. @param onConsole gets the terminal's output (wrap it with comlink's `proxy`)
   * @throws ConfigError, LoadError
   */
  create(options: WorkerMachineOptions, onConsole: (bytes: Uint8Array) => void): Promise<void>;
  /** Runs until the guest ends, a limit is reached or {@link pause}. */
  run(until?: Omit<RunUntil, 'signal'>): Promise<RunResult>;
  pause(): Promise<void>;
  /** Types on the terminal. */
  write(data: string | Uint8Array): void;
  /** Tells the guest the terminal's size. */
  resize(columns: number, rows: number): void;
  /** Hash of the whole state. The machine must stand. */
  hash(): string;
  progress(): MachineProgress;
}
