import { type Remote, wrap } from 'comlink';
import type { News, NewsMessage, PageWorker } from '../worker/protocol.ts';

/** A worker with a machine in it, and what it tells. */
export class MachineClient {
  readonly remote: Remote<PageWorker>;
  private readonly worker: Worker;

  /** @param script address of the worker's script @param onNews called in order @param onFailure the worker itself failed: what it held is lost */
  constructor(script: URL, onNews: (news: News) => void, onFailure: (reason: string) => void) {
    this.worker = new Worker(script, { type: 'module', name: 'hindsight' });
    this.worker.addEventListener('error', (event) => onFailure(event.message || 'the worker could not be loaded'));
    this.remote = wrap<PageWorker>(this.worker);
    this.worker.addEventListener('message', ({ data }: MessageEvent<Partial<NewsMessage>>) => {
      if (data.news !== undefined) onNews(data.news);
    });
  }

  /** Ends the worker with everything in it. */
  close(): void {
    this.worker.terminate();
  }
}
