/** The page: a terminal, and a machine in a worker that boots the guest the page is served with. */
import { Terminal } from '@xterm/xterm';
import { commandLine } from '../guest/cmdline.ts';
import { WorkerMachine } from '../host/browser/index.ts';

const MEMORY = '256M';
const STATUS_EVERY = 500;

const status = document.getElementById('status') as HTMLElement;
const place = document.getElementById('terminal') as HTMLElement;

async function fetchBytes(path: string): Promise<Uint8Array> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: the server answered ${response.status}; start it with hindsight web`);
  return new Uint8Array(await response.arrayBuffer());
}

/** How many characters fit into the page. */
function fitting(terminal: Terminal): { columns: number; rows: number } {
  const screen = terminal.element?.querySelector('.xterm-screen');
  const cell = {
    width: (screen?.clientWidth ?? 800) / terminal.cols,
    height: (screen?.clientHeight ?? 480) / terminal.rows,
  };
  const room = { width: place.clientWidth - 24, height: place.clientHeight - 12 };
  return {
    columns: Math.max(20, Math.floor(room.width / cell.width)),
    rows: Math.max(5, Math.floor(room.height / cell.height)),
  };
}

async function showProgress(machine: WorkerMachine): Promise<void> {
  let before = await machine.progress();
  setInterval(async () => {
    const now = await machine.progress();
    const mips = (now.instructions - before.instructions) / STATUS_EVERY / 1000;
    status.textContent = `${(now.instructions / 1e6).toFixed(0)} M instructions, ${mips.toFixed(0)} MIPS, guest time ${now.guestTime.toFixed(1)} s`;
    before = now;
  }, STATUS_EVERY);
}

async function start(): Promise<void> {
  const terminal = new Terminal({ convertEol: false, cursorBlink: true, scrollback: 10_000 });
  terminal.open(place);
  const size = fitting(terminal);
  terminal.resize(size.columns, size.rows);
  const [kernel, initrd] = await Promise.all([fetchBytes('guest/kernel'), fetchBytes('guest/initrd')]);
  const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
  const machine = await WorkerMachine.create(worker, {
    kernel: { file: 'kernel', bytes: kernel },
    initrd: { file: 'initrd', bytes: initrd },
    memory: MEMORY,
    append: commandLine({ ...size, size: 'hvc0', term: 'xterm-256color' }),
    virtioConsole: size,
    clock: 'host',
  });
  machine.on('console', (bytes) => terminal.write(bytes));
  terminal.onData((text) => void machine.write(text));
  terminal.onBinary((text) => void machine.write(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  new ResizeObserver(() => {
    const { columns, rows } = fitting(terminal);
    if (columns === terminal.cols && rows === terminal.rows) return;
    terminal.resize(columns, rows);
    void machine.resize(columns, rows);
  }).observe(place);
  terminal.focus();
  await showProgress(machine);
  const { halt } = await machine.run();
  terminal.write(`\r\n[the guest ${halt?.kind === 'fail' ? `failed with ${halt.status}` : 'powered off'}]\r\n`);
}

start().catch((error: unknown) => {
  status.textContent = error instanceof Error ? error.message : String(error);
});
