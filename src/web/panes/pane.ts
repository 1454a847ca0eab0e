import type { Remote } from 'comlink';
import type { Focus } from '../focus/focus.ts';
import type { Store } from '../focus/store.ts';
import type { MachineState, PageWorker } from '../worker/protocol.ts';
import type { Answers, QuestionName, Questions } from '../worker/questions/index.ts';

/** What a question takes besides the machine it is about. */
type Args<Q extends QuestionName> = Parameters<Questions[Q]> extends [unknown, ...infer A] ? A : never;

/** What a pane is given: the machine to ask, and the focus that all panes share. */
export interface PaneContext {
  /** Asks the machine where it is; the questions are in worker/questions. */
  readonly ask: <Q extends QuestionName>(question: Q, ...args: Args<Q>) => Promise<Answers[Q]>;
  /** Setting `at` goes there; setting the others has every pane follow. */
  readonly focus: Store<Focus>;
  /** Where the machine is at present. */
  readonly state: () => MachineState;
  /** Goes to an instant, or makes a longer move that ends somewhere; the focus follows. Errors are shown to the user. */
  readonly move: (act: (machine: Remote<PageWorker>) => Promise<unknown>) => Promise<void>;
  /** Opens another pane, or brings it to the front. */
  readonly open: (name: string) => void;
  /** Says something to the user in a sentence. */
  readonly say: (text: string) => void;
}

/** A pane that is open. */
export interface OpenPane {
  /** The focus changed, or the machine is elsewhere. Called again only once the promise before was kept. */
  update(focus: Focus): void | Promise<void>;
  close(): void;
}

/** A kind of pane. To add one: a file here that exports its kind, and a line in list.ts. */
export interface PaneKind {
  /** In the address of the page: lower-case letters and hyphens. */
  readonly name: string;
  readonly title: string;
  /** One sentence: what one sees there. */
  readonly about: string;
  /** Puts the pane into an empty element, which is its own until it is closed. */
  mount(host: HTMLElement, context: PaneContext): OpenPane;
}
