// npm run test:runbooks: runs every command of the pages in docs/, in their order, on three nodes, and on machines that have only the
// program. `-- NAME…` runs only those pages (drain, install, …). Not part of `npm test`.
import { globSync } from 'node:fs'
import { debianPackages } from './debian-packages.js'
import { root } from './install.js'
import { TestRun, untilStopped } from './test-run.js'

/** The Debian packages that are needed, by the command that each package has. */
const debian = { curl: 'curl', openssl: 'openssl', psql: 'postgresql-client' }

const names = process.argv.slice(2)
const pages = new Map(
  globSync('docs/**/*.md', { cwd: root }).map((page) => [page.replace(/.*\/|\.md$/g, ''), page]),
)
for (const name of names)
  if (!pages.has(name)) {
    console.error(`there is no page ${name}: there are ${[...pages.keys()].sort().join(', ')}`)
    process.exit(2)
  }

const tests = new TestRun({ signal: untilStopped() })
if (debianPackages(debian) && (await tests.servers())) {
  process.env.RUNBOOKS = names.join(' ')
  const files = globSync('test/runbooks/*.test.ts', { cwd: root }).sort()
  await tests.group('runbooks', files, { concurrency: 1, timeout: 60 * 60_000 })
}
tests.sayResult()
process.exit(tests.green ? 0 : 1)
