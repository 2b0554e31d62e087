// npm test: installs what is missing, then every test against the real servers. `node scripts/test.js FILE…` runs only those.
import { join } from 'node:path'
import { exitWith, handOver } from './hand-over.js'
import { root } from './install.js'

exitWith(() => handOver([join(root, 'scripts/run-tests.js'), ...process.argv.slice(2)]))
