import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { STORIES } from '../../build/gallery/stories/index.ts';
import { Past } from '../../build/gallery/story.ts';
import { Timeline } from '../../src/host/node/index.ts';
import { readRecording } from '../../src/record/reader.ts';
import { describeGuest } from '../e2e/guest.ts';

const hasCompiler = ((): boolean => {
  try {
    execFileSync('riscv64-linux-gnu-gcc', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describeGuest('the gallery', () => {
  it.skipIf(!hasCompiler).each(STORIES)('$name is recorded, and its marks are where it says', async (story) => {
    const bytes = await Past.tell(story, await story.record());
    expect(bytes.length).toBeLessThan(100_000);
    const timeline = await Timeline.open(bytes);
    const recording = await readRecording(bytes);
    expect(recording.damage).toBeUndefined();
    const marks = timeline.session.log.header.marks ?? [];
    // The marks are numbered in the order in which things happened, whatever order the story finds them in.
    expect(marks.map(({ note }) => Number.parseInt(note, 10))).toEqual(marks.map((_, i) => i + 1));
    expect(marks.length).toBeGreaterThanOrEqual(3);
    for (const { at, time } of marks) {
      await timeline.seek(at);
      expect(timeline.at).toEqual(at);
      expect(timeline.view.engine.time).toBe(time);
    }
    await timeline.close();
  });
});
