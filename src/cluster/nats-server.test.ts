import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Log } from '../core/ports.ts'
import { silentLog } from '../core/silent-log.ts'
import { startNatsServer } from './nats-server.ts'

test('while the executable cannot be found, each wait is twice the one before, however long a look takes', async (t) => {
  let skippedMs = 0
  const now = performance.now.bind(performance)
  t.mock.method(performance, 'now', () => now() + skippedMs)
  const lookForLong = async (): Promise<string> => {
    skippedMs += 20_000
    throw new Error('the download failed')
  }
  const waits: unknown[] = []
  const third = Promise.withResolvers<void>()
  const error: Log['error'] = (fields) => {
    if ('delayMs' in fields) waits.push(fields.delayMs)
    if (waits.length === 3) third.resolve()
  }
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-nats-'))
  {
    await using _ = await startNatsServer({
      binary: lookForLong,
      dir,
      clientPort: 1,
      serverName: 'test',
      log: { ...silentLog, error },
      restartAfterMs: 1,
    })
    await third.promise
  }
  await rm(dir, { recursive: true })
  assert.deepEqual(waits.slice(0, 3), [1, 2, 4])
})
