// npm run test:packages: builds the packages and everything in deploy/, and tests them with the tools of their users: a bare Debian,
// rpm, systemd, helm, hadolint, … `-- FILE…` runs only those files. Needs root on a Debian. Not part of `npm test`.
import { globSync } from 'node:fs'
import { resolve } from 'node:path'
import { debianPackages } from './debian-packages.js'
import { root } from './install.js'
import { TestRun, untilStopped } from './test-run.js'

/** The Debian packages that are needed, by the command that each package has. */
const debian = {
  debootstrap: 'debootstrap',
  'docker-compose': 'docker-compose',
  rpm: 'rpm',
  rpmbuild: 'rpm',
  'systemd-analyze': 'systemd',
  unshare: 'util-linux',
}

const tests = new TestRun({ signal: untilStopped() })
if (debianPackages(debian) && (await tests.servers())) {
  const asked = process.argv.slice(2).map((file) => resolve(file))
  const files = asked.length > 0 ? asked : globSync('test/packages/*.test.ts', { cwd: root }).sort()
  await tests.group('packages', files, { concurrency: 1, timeout: 30 * 60_000 })
}
tests.sayResult()
process.exit(tests.green ? 0 : 1)
