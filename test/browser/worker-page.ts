// What worker-api.test.ts runs in a page: the whole of the worker's API, with files as pages have them.
import { WorkerMachine, type WorkerMachineOptions, WorkerRecording } from '../../src/host/browser/index.ts';

const TIMEOUT = 200_000;
const bytes = async (path: string): Promise<Uint8Array> => new Uint8Array(await (await fetch(path)).arrayBuffer());
const worker = (): Worker => new Worker('worker.js', { type: 'module' });
const named = async (file: string): Promise<{ file: string; bytes: Uint8Array }> => ({
  file,
  bytes: await bytes(file),
});

/** A promise's error as text. */
const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'nothing was refused',
    (error: Error) => `${error.name}: ${error.message}`,
  );

const base64 = (blob: Blob): Promise<string> =>
  new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve((reader.result as string).replace(/^[^,]*,/, ''));
    reader.readAsDataURL(blob);
  });

/** An image with a text at its beginning. */
function image(text: string): Uint8Array<ArrayBuffer> {
  const disk = new Uint8Array(300_000);
  disk.set(new TextEncoder().encode(text));
  return disk;
}

/** Boots Debian on three disks, goes back and forth, saves, restores, records, branches. */
async function session(append: string): Promise<object> {
  const root = await navigator.storage.getDirectory();
  const file = await root.getFileHandle('disk', { create: true });
  const writing = await file.createWritable();
  await writing.write(image('world'));
  await writing.close();
  const [kernel, initrd] = await Promise.all([named('kernel'), named('initrd')]);
  const disks = [
    { file: 'a', image: new Blob([image('hello')]), readOnly: true },
    { file: 'b', image: file },
    { file: 'c', image: { blank: 1 << 20 } },
  ];
  const options: WorkerMachineOptions = { kernel, initrd, append, memory: '128M', disks };
  const first = worker();
  const machine = await WorkerMachine.create(first, { ...options, record: 'memory', past: 64 * 2 ** 20 });
  let shown = 0;
  let events = 0;
  machine.on('console', (chunk) => {
    shown += chunk.length;
  });
  const stop = machine.on('event', () => {
    events++;
  });
  await machine.expect('# ', { timeout: TIMEOUT });
  await machine.write('for d in a b c; do head -c 5 /dev/vd$d; done; echo; echo $((6*7)) is it\n');
  const { match } = await machine.expect(/(\w+)\0*\r?\n(\d+) is it/, { timeout: TIMEOUT });
  const { guestTime } = await machine.progress();
  const { reason } = await machine.run({ guestTime: guestTime + 0.5 });
  stop();
  const present = { reason, ...(await machine.progress()), hash: await machine.hash() };
  const state = await machine.save();

  const timeline = await machine.goBack();
  const { end } = await timeline.where();
  const inputs = await timeline.events();
  const before = await timeline.previousInput();
  await timeline.seek('50%');
  const half = { at: (await timeline.where()).at, hash: await timeline.hash() };
  const stepped = await timeline.reverseStep(1000);
  await timeline.seek(end);
  const again = await timeline.hash();
  const refused = [
    await refusal(machine.run()),
    await refusal(WorkerMachine.create(first, { ...options, disks: [{ file: 'empty', image: new Blob([]) }] })),
    await refusal(WorkerMachine.create(first, { ...options, memory: '1' })),
  ];
  await machine.resume();
  const live = (await machine.run({ instructions: end.instructions + 1000 })).reason;
  const blob = await machine.recording();

  const other = await WorkerMachine.create(first, options);
  refused.push(await refusal(other.goBack()), await refusal(other.recording()));
  await other.restore(state);
  const restored = await other.hash();
  await other.close();
  first.terminate();

  const second = worker();
  const recording = await WorkerRecording.open(second, blob, { core: 'wasm', files: { kernel, initrd, disks } });
  // A boot is seconds of work: the signal comes while it is under way.
  const cancelled = await recording.seek('100%', { signal: AbortSignal.abort() });
  await recording.seek(half.at);
  const replayed = await recording.hash();
  const kept = await root.getFileHandle('branch.hsr', { create: true });
  const branch = await recording.branch({ record: kept });
  await branch.run({ instructions: half.at.instructions + 1_000_000 });
  const branched = await branch.hash();
  await branch.close();
  const reopened = await WorkerRecording.open(second, kept, { files: { kernel, initrd, disks } });
  await reopened.seek('100%');
  const ofBranch = await reopened.hash();
  const compared = await reopened.verify();
  second.terminate();
  return {
    ...{ match: [...match], shown: shown > 0, events: events > 0, present, inputs: inputs.length },
    ...{
      before: before.reason,
      half,
      stepped: stepped.at,
      cancelled: cancelled.reason,
      again,
      refused,
      live,
      restored,
    },
    ...{ replayed, branched, ofBranch, compared, recording: await base64(blob) },
  };
}

Object.assign(globalThis, { session });
