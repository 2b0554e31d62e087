import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertAgreement } from '../testing/database/agreement.ts'
import { testStore } from '../testing/database/test-store.ts'
import { compareTrace, type Counts } from './simulation/trace/compare.ts'
import { StoreSide } from './simulation/trace/store-side.ts'
import { times } from './simulation/trace/step.ts'

const seeds = 4

const { database, store, system } = await testStore({ unpinGraceMs: times.unpinGraceMs })

// `npm run test:simulation -- --against-postgres` runs more seeds, and replays one.
test('the store of the simulation and the store on Postgres give the same answers and have the same rows after every step', async () => {
  const counts: Counts = new Map()
  for (let seed = 1; seed <= seeds; seed++) {
    await compareTrace(seed, new StoreSide(store, system), counts)
    await assertAgreement(database.systemUrl)
  }
  // the traces had steps of every kind
  assert.equal(counts.size, 32, [...counts.keys()].join())
})
