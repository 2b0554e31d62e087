import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Epoch } from '../../src/core/epoch.ts'
import type { Store } from '../../src/store/store.ts'

/** Takes the next epoch, as each new leader does. */
export async function nextEpoch({ epochs }: Pick<Store, 'epochs'>): Promise<Epoch> {
  const epoch = await epochs.take(await epochs.present(), randomUUID())
  assert(epoch !== null, 'another leader took an epoch meanwhile')
  return epoch
}
