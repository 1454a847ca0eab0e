// A vitest reporter: names the tests that failed once and passed at their second attempt, after all others.
import { relative } from 'node:path';

/** @implements {import('vitest/reporters').Reporter} */
export default class SecondAttempts {
  #named = [];

  onTestCaseResult(test) {
    if (test.diagnostic()?.flaky)
      this.#named.push(`${relative(process.cwd(), test.module.moduleId)}: ${test.fullName}`);
  }

  onTestRunEnd() {
    for (const name of this.#named) process.stderr.write(`hindsight: passed at the second attempt only: ${name}\n`);
  }
}
