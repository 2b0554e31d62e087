// The entry point of the packaged program: enables the cache of compiled code before anything else is loaded.
import { keepCompiled } from '../bin/keep-compiled.js'

keepCompiled()
const { runProcess } = await import('../src/cli/main.ts')
await runProcess()
