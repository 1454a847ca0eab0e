// The WebAssembly core with the translator's door: the same exports, another interpreter loop, and what translated code calls.

export { clearDirty, configure, debugPointsChanged, dropDerived, dropTranslations, hartChanged, ramChanged, readCsr, translate, writeCsr } from "./index";
export { run } from "./generated/interpreter-jit";
// exported so that it stays a function of its own
export { runPlain } from "./generated/plain-jit";
export { codePage, csr, executedCode, float, forgetFunction, hashPage, loadAddress, markTranslated, probe, storeAddress, unmarkTranslated } from "./jit";
export { clmul, clmulh, clmulr } from "./integer";
