// npm run test:pooler: a node behind PgBouncer, by transaction and by session. The two releases come from Debian's archive, by apt, into a
// folder of their own, and run from there; so this needs a Debian (or what is made of it) and the archive. No part of `npm test`.
import { globSync } from 'node:fs'
import { root } from './install.js'
import { TestRun, untilStopped } from './test-run.js'

const tests = new TestRun({ signal: untilStopped() })
await tests.group('behind a pooler', globSync('test/pooler/*.test.ts', { cwd: root }), {
  concurrency: 1,
  timeout: 15 * 60_000,
})
tests.sayResult()
process.exit(tests.green ? 0 : 1)
