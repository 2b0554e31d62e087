// Which tests there are, and what each kind needs.
import { globSync } from 'node:fs'
import { root } from './install.js'

const find = (...patterns) => globSync(patterns, { cwd: root }).sort()
const needsServers = /[.](pg|nats|kubo)[.]test[.]ts$/

/** Needs nothing: no server, no network, milliseconds. */
export const unitTests = () =>
  find('src/**/*.test.ts', 'packaging/**/*.test.ts').filter((file) => !needsServers.test(file))

/** Beside the code, on real servers of their own. */
export const serverTests = () => [
  ...find('src/**/*.test.ts').filter((file) => needsServers.test(file)),
  ...find('test/contract/**/*.test.ts'),
]

/** Each boots whole nodes. The one with three of them takes longest, so it begins first. */
export const systemTests = () => {
  const files = find('test/*.test.ts')
  const first = files.filter((file) => file === 'test/cluster.test.ts')
  return [...first, ...files.filter((file) => !first.includes(file))]
}

/** Minutes each: kills, pauses, splits, growth and drains under load. No part of `npm test`. */
export const faultTests = () => find('test/faults/*.test.ts')
