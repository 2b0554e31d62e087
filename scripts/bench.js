// npm run bench: installs what is missing, then the bench, on a fresh dev node.
import { join } from 'node:path'
import { exitWith, handOver } from './hand-over.js'
import { root } from './install.js'

exitWith(() => handOver([join(root, 'bench/main.ts'), ...process.argv.slice(2)]))
