import type { Story } from '../story.ts';
import { boot } from './boot.ts';
import { crash } from './crash.ts';
import { panic } from './panic.ts';
import { race } from './race.ts';
import { wrongInput } from './wrong-input.ts';

/** The gallery, in the order in which it is read. */
export const STORIES: readonly Story[] = [crash, wrongInput, race, panic, boot];
