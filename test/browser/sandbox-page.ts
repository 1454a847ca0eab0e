// What sandbox.test.ts runs in a page: the session API in a worker.
import { WorkerSandbox, type WorkerSandboxOptions } from '../../src/host/browser/index.ts';

const file = async (name: string): Promise<{ file: string; bytes: Uint8Array }> => ({
  file: name,
  bytes: new Uint8Array(await (await fetch(name)).arrayBuffer()),
});

/** A promise's error as text. */
const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'nothing was refused',
    (error: Error) => `${error.name}: ${error.message}`,
  );

async function session(): Promise<object> {
  const [kernel, initrd] = await Promise.all([file('kernel'), file('initrd')]);
  const options: WorkerSandboxOptions = { kernel, initrd, memory: '128M', past: 64 * 2 ** 20 };
  const worker = new Worker('worker.js', { type: 'module' });
  const box = await WorkerSandbox.start(worker, options);
  let heard = '';
  const said = await box.exec('echo out; echo err >&2; cat; pwd; echo $NAME; exit 3', {
    stdin: 'typed\n',
    cwd: '/tmp',
    env: { NAME: 'value' },
    onStdout: (bytes) => {
      heard += new TextDecoder().decode(bytes);
    },
  });
  const several = await Promise.all(['1', '2', '3', '4'].map((n) => box.exec(['echo', n])));
  await box.files.mkdir('/data');
  await box.files.write('/data/text', 'before', { mode: 0o644 });
  const listed = await box.files.list('/data');
  const packed = await box.files.pack('/data');
  await box.files.unpack('/copy', packed);
  const before = await box.mark();
  await box.files.write('/data/text', 'after');
  await box.rewind(before);
  const rewound = await box.files.readText('/data/text');
  const abort = new AbortController();
  const endless = refusal(box.exec('sleep 1000', { signal: abort.signal }));
  abort.abort();
  const refused = [
    await endless,
    await refusal(box.exec('sleep 1000', { timeout: 200 })),
    await refusal(box.files.read('/nothing')),
    await refusal(box.exec(['/no/such/program'])),
  ];
  const copy = await box.fork();
  await copy.files.write('/data/text', 'of the copy');
  const random = 'head -c 16 /dev/urandom | od -An -tx1';
  const drawn = [await box.exec(random), await copy.exec(random)].map(({ stdout }) => stdout);
  const snapshot = await box.snapshot();
  const again = await WorkerSandbox.start(worker, { ...options, from: { file: 'snapshot', bytes: snapshot } });
  const texts = [
    await box.files.readText('/data/text'),
    await copy.files.readText('/data/text'),
    await again.files.readText('/copy/text'),
  ];
  await Promise.all([box.close(), copy.close(), again.close()]);
  return {
    exitCode: said.exitCode,
    stdout: said.stdout,
    stderr: said.stderr,
    heard,
    several: several.map(({ stdout }) => stdout.trim()),
    listed: listed.map(({ name, size, mode }) => ({ name, size, mode })),
    rewound,
    refused,
    texts,
    drawn,
    ended: await refusal(box.exec('true')),
  };
}

Object.assign(globalThis, { session });
