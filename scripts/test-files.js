// The tests by kind, and what each kind needs.
import { globSync } from 'node:fs'
import { root } from './install.js'

const find = (...patterns) => globSync(patterns, { cwd: root }).sort()
const needsServers = /[.](pg|nats|kubo)[.]test[.]ts$/

/** Tests that need no server and no network, and take milliseconds. */
export const unitTests = () =>
  find('{src,testing,packaging}/**/*.test.ts').filter((file) => !needsServers.test(file))

/** Tests beside the code, each on a real server of its own. */
export const serverTests = () => [
  ...find('{src,testing}/**/*.test.ts').filter((file) => needsServers.test(file)),
  ...find('test/contract/**/*.test.ts'),
]

/** Tests that start whole nodes. The file with three nodes takes longest, so it starts first. */
export const systemTests = () => {
  const files = find('test/*.test.ts')
  const first = files.filter((file) => file === 'test/cluster.test.ts')
  return [...first, ...files.filter((file) => !first.includes(file))]
}

/** Tests that kill, pause, split, grow and drain under load, for minutes each. Not part of `npm test`. */
export const faultTests = () => find('test/faults/*.test.ts')
