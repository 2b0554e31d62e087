// node scripts/run.js FILE …: installs what is missing, then runs FILE (from the project's root) on Node 24 with the rest as its arguments.
import { join } from 'node:path'
import { exitWith, handOver } from './hand-over.js'
import { root } from './install.js'

const [file, ...args] = process.argv.slice(2)
exitWith(() => handOver([join(root, file), ...args]))
