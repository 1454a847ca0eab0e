/**
 * What panes may ask about the machine where it is. Each question is a function in a file of its own that looks and changes nothing; its
 * first argument is what it looks at, the others come from the page.
 */
import { disassembly } from './disassembly.ts';
import { registers } from './registers.ts';

export const QUESTIONS = { registers, disassembly };

export type Questions = typeof QUESTIONS;
export type QuestionName = keyof Questions;
/** What each question is answered with. */
export type Answers = { readonly [Q in QuestionName]: ReturnType<Questions[Q]> };
