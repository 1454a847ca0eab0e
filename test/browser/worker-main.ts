// What chromium.test.ts runs in a Worker: boots the guest whose files it fetches and posts the state hash at every step.
import { type CoreKind, Machine } from '../../src/index.ts';

interface Request {
  readonly append: string;
  readonly core: CoreKind;
  readonly step: number;
  readonly end: number;
}

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  const load = async (role: string): Promise<{ file: string; bytes: Uint8Array }> => ({
    file: role,
    bytes: new Uint8Array(await (await fetch(`/${role}`)).arrayBuffer()),
  });
  const boot = async (): Promise<string[]> => {
    const machine = await Machine.create({
      kernel: await load('kernel'),
      initrd: await load('initrd'),
      append: data.append,
      core: data.core,
      seed: 5,
    });
    const hashes: string[] = [];
    for (let at = data.step; at <= data.end; at += data.step) {
      await machine.run({ instructions: at });
      hashes.push(machine.hash());
    }
    await machine.close();
    return hashes;
  };
  boot().then(
    (hashes) => postMessage({ hashes }),
    (error: unknown) => postMessage({ error: String(error) }),
  );
});
