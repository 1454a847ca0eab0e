/**
 * What panes may ask about the machine where it is. Each question is a function in a file of its own that looks and changes nothing; its
 * first argument is what it looks at, the others come from the page.
 */
import { callStack } from './call-stack.ts';
import { disassembly } from './disassembly.ts';
import { kernelLog } from './kernel-log.ts';
import { addressOf, memory } from './memory.ts';
import { pageTables } from './page-tables.ts';
import { processes } from './processes.ts';
import { registers } from './registers.ts';

export const QUESTIONS = { registers, disassembly, callStack, memory, addressOf, processes, kernelLog, pageTables };

export type Questions = typeof QUESTIONS;
export type QuestionName = keyof Questions;
/** What each question is answered with. */
export type Answers = { readonly [Q in QuestionName]: ReturnType<Questions[Q]> };
