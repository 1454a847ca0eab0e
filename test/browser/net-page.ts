// What net.test.ts runs in a page: machines with networks, each in a worker of its own.
import { WorkerMachine, type WorkerNetwork } from '../../src/host/browser/index.ts';

const bytes = async (path: string): Promise<Uint8Array> => new Uint8Array(await (await fetch(path)).arrayBuffer());
const base64 = (blob: Blob): Promise<string> =>
  new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve((reader.result as string).replace(/^[^,]*,/, ''));
    reader.readAsDataURL(blob);
  });

/** Boots the guest until it powers off. @returns what its console showed, and its recording */
async function run(append: string, net: WorkerNetwork): Promise<{ readonly text: string; readonly recording: string }> {
  const [kernel, initrd] = await Promise.all(
    ['kernel', 'initrd'].map(async (file) => ({ file, bytes: await bytes(file) })),
  );
  const worker = new Worker('worker.js', { type: 'module' });
  const machine = await WorkerMachine.create(worker, { kernel, initrd, append, memory: '128M', net, record: 'memory' });
  const text: string[] = [];
  const decoder = new TextDecoder();
  machine.on('console', (chunk) => text.push(decoder.decode(chunk, { stream: true })));
  await machine.run({ instructions: 8e9 });
  const recording = await base64(await machine.recording());
  await machine.close();
  worker.terminate();
  return { text: text.join(''), recording };
}

/** The error of a machine that can't be. */
const refused = (net: WorkerNetwork): Promise<string> =>
  run('', net).then(
    () => 'nothing was refused',
    ({ name, message }: Error) => `${name}: ${message}`,
  );

Object.assign(globalThis, { run, refused });
