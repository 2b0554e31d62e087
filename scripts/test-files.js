// Which tests there are, and what each kind needs.
import { globSync } from 'node:fs'
import { root } from './install.js'

const find = (...patterns) => globSync(patterns, { cwd: root }).sort()
const needsServers = /[.](pg|nats|kubo)[.]test[.]ts$/

/** Needs nothing: no server, no network, milliseconds. */
export const unitTests = () => find('src/**/*.test.ts').filter((file) => !needsServers.test(file))

/** Beside the code, on real servers of their own. */
export const serverTests = () => [
  ...find('src/**/*.test.ts').filter((file) => needsServers.test(file)),
  ...find('test/contract/**/*.test.ts'),
]

/** Each boots whole nodes. */
export const systemTests = () => find('test/*.test.ts')
