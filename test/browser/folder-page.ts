// What folder.test.ts runs in a page: folders as shares of a machine in a worker.
import { WorkerMachine } from '../../src/host/browser/index.ts';
import type { Step } from '../fs/model.ts';

const TIMEOUT = 200_000;

/** Runs steps in a worker. @returns where folder and model differ */
const compare = (runs: readonly (readonly Step[])[]): Promise<string[]> =>
  new Promise((resolve, reject) => {
    const worker = new Worker('folder-worker.js', { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<string[]>) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(runs);
  });

const base64 = (blob: Blob): Promise<string> =>
  new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve((reader.result as string).replace(/^[^,]*,/, ''));
    reader.readAsDataURL(blob);
  });

/** A machine with a folder of the page's. */
async function share(append: string): Promise<object> {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle('shared', { create: true });
  const put = async (name: string, text: string): Promise<void> => {
    const writing = await (await folder.getFileHandle(name, { create: true })).createWritable();
    await writing.write(text);
    await writing.close();
  };
  await put('from the page', 'hello from the page\n');
  const named = async (file: string): Promise<{ file: string; bytes: Uint8Array }> => ({
    file,
    bytes: new Uint8Array(await (await fetch(file)).arrayBuffer()),
  });
  const [kernel, initrd] = await Promise.all([named('kernel'), named('initrd')]);
  const shares = [
    { name: 'work', folder },
    { name: 'look', folder, readOnly: true },
  ];
  const worker = new Worker('worker.js', { type: 'module' });
  const machine = await WorkerMachine.create(worker, { kernel, initrd, append, shares, record: 'memory' });
  await machine.expect('# ', { timeout: TIMEOUT });
  const commands = [
    "cat 'from the page' >&2",
    'mkdir made && cd made && seq 1 20000 >numbers && mv numbers "die Zahlen ä"',
    'md5sum die* | cut -d" " -f1',
    'exec 3<"die Zahlen ä"; rm die*; md5sum <&3; exec 3<&-; ls -A | wc -l; cd ..; seq 1 1000 >kept; chmod 700 kept',
    '(echo x >/mnt/look/new) 2>&1; ln -s a b 2>&1; stat -c %a kept; rmdir made; ls',
  ];
  await machine.write(`cd /mnt/work; (${commands.join('; ')}); sync; echo end''mark\n`);
  const { text } = await machine.expect('endmark', { timeout: TIMEOUT });
  await machine.pause();
  const hash = await machine.hash();
  const recording = await base64(await machine.recording());
  await machine.close();
  const kept = await (await (await folder.getFileHandle('kept')).getFile()).text();
  worker.terminate();
  return { text, hash, kept, recording };
}

Object.assign(globalThis, { compare, share });
