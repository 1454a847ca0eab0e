import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GuestSession, type SandboxMachine } from '../../src/sandbox/guest-session.ts';

/** An agent that runs under qemu-riscv64 instead of in a guest: the same program, on this host's kernel. */
export interface AgentProcess {
  readonly machine: SandboxMachine;
  readonly process: ChildProcess;
  stop(): void;
}

/** Starts a binary of the agent. */
export function startAgent(binary: Uint8Array): AgentProcess {
  const file = join(mkdtempSync(join(tmpdir(), 'agent-')), 'agent');
  writeFileSync(file, binary, { mode: 0o755 });
  const process = spawn('qemu-riscv64', [file, '-'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const machine: SandboxMachine = {
    send: (bytes) => void process.stdin.write(bytes),
    onReceive: (listener) => {
      process.stdout.on('data', listener);
      return () => process.stdout.off('data', listener);
    },
    onEnd: (listener) => {
      const ended = (): void => listener(new Error('the agent ended'));
      process.on('exit', ended);
      return () => process.off('exit', ended);
    },
    entropy: (length) => randomBytes(length),
    clock: () => BigInt(Date.now()) * 1_000_000n,
    after: (milliseconds, act) => {
      const timer = setTimeout(act, milliseconds);
      return () => clearTimeout(timer);
    },
  };
  return { machine, process, stop: () => process.kill('SIGKILL') };
}

export const attach = (agent: AgentProcess): Promise<GuestSession> => GuestSession.attach(agent.machine, false);
export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');
