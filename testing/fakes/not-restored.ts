import assert from 'node:assert/strict'
import type { RestoreGuard } from '../../src/core/ports.ts'

/** The guard of a node whose database was never restored. */
export const notRestored: RestoreGuard = {
  state: async () => ({ restoreId: null, stage: 'done' }),
  follow: () => assert.fail('there is nothing to follow'),
  compared: () => assert.fail('there is nothing to compare'),
}
