// What replay.ts runs in a Worker: replays the recording it fetches and posts what was compared.
import { type CoreKind, Timeline } from '../../src/index.ts';

addEventListener('message', ({ data }: MessageEvent<{ readonly core: CoreKind }>) => {
  const replay = async (): Promise<unknown> => {
    const file = new Uint8Array(await (await fetch('/recording')).arrayBuffer());
    const timeline = await Timeline.open(file, {}, { core: data.core });
    const compared = await timeline.verify();
    return { compared, hash: timeline.hash() };
  };
  replay().then(
    (told) => postMessage(told),
    (error: unknown) => postMessage({ error: String(error) }),
  );
});
