/** The page's script: defines its element. */
import { HindsightMachine } from './element/hindsight-machine.ts';

customElements.define('hindsight-machine', HindsightMachine);
