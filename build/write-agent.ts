// Run as `node build/run.mjs build/write-agent.ts`: compiles the guest's agent again.
import { writeBinary } from './agent.ts';

writeBinary();
