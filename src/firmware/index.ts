/** SBI 2.0 firmware that runs in the host. */
export { handleSbiCall } from './sbi.ts';
export {
  HART_STATE,
  type HsmState,
  RESET,
  RESET_REASON,
  type ResetKind,
  type ResetReason,
  SBI_ERROR,
  SBI_EXTENSION,
} from './sbi-codes.ts';
export type { SbiHost } from './sbi-host.ts';
