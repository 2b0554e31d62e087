import { strict as assert } from 'node:assert'
import { open } from 'node:fs/promises'
import { test } from 'node:test'
import { growthOf, usageOf, type Usage } from '../bench/soak/usage.ts'

test('the usage of a process is measured: its memory and its files', async () => {
  const before = await usageOf(process.pid)
  const files = await Promise.all(Array.from({ length: 50 }, () => open(import.meta.filename)))
  const held = Buffer.alloc(64 << 20, 1)
  const after = await usageOf(process.pid)
  await Promise.all(files.map((file) => file.close()))
  assert.ok(after.fds - before.fds >= 50, `${before.fds} files, then ${after.fds}`)
  assert.ok(after.mib - before.mib >= held.length / 2 ** 21, `${before.mib} MiB, then ${after.mib}`)
  const family = await usageOf(process.pid, true)
  assert.ok(family.mib > 0 && family.fds > 0)
  await assert.rejects(usageOf(2 ** 22 + 1))
})

test('growth of more than a twentieth from the middle third to the last is reported; the first third, a single peak and the buffer of nats-server do not count', () => {
  const run = (...levels: Usage[]): Usage[] =>
    levels.flatMap((level) => Array.from({ length: 40 }, () => level))
  const usual = { mib: 100, fds: 40 }
  const held = (last: Partial<Usage>, judged = true, more: Usage[] = []): boolean =>
    growthOf('node', [...run({ mib: 10, fds: 500 }, usual, { ...usual, ...last }), ...more], judged).held
  assert.equal(held({}), true)
  assert.equal(held({ mib: 104.9 }), true)
  assert.equal(held({ mib: 105.2 }), false)
  assert.equal(held({ mib: 105.2 }, false), true)
  assert.equal(held({}, true, [{ mib: 9_000, fds: 9_000 }]), true)
  const nats = (mib: number): boolean =>
    growthOf('nats 1', run({ mib: 10, fds: 9 }, { mib: 30, fds: 9 }, { mib, fds: 9 }), true).held
  assert.deepEqual([nats(37.9), nats(38.1)], [true, false])
  assert.equal(held({ fds: 43 }), true)
  assert.equal(held({ fds: 45 }), false)
  assert.equal(held({ fds: 45 }, false), false)
})
