// npm run test:pooler: a node behind PgBouncer, in transaction and in session mode. apt downloads a release of PgBouncer for each mode
// from Debian's archive into a folder of its own, and it runs from there. So this needs Debian (or a derivative) and the archive. Not
// part of `npm test`.
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
