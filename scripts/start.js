// npm start: installs what is missing, then runs `anchorage dev` with the arguments after `npm start --`.
import { join } from 'node:path'
import { exitWith, handOver } from './hand-over.js'
import { root } from './install.js'

const cwd = process.env.INIT_CWD ?? process.cwd()
exitWith(() => handOver([join(root, 'src/cli/main.ts'), 'dev', ...process.argv.slice(2)], { cwd }))
