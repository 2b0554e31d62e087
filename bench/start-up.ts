import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bundle } from '../packaging/bundle.ts'
import type { World } from '../testing/world/world.ts'
import { median } from './statistics.ts'

const run = promisify(execFile)
const runs = 20
const verbs = ['--help', 'pin ls', 'admin nodes'] as const

/** The time of commands from start to end, including their requests to a server: medians, ms. */
export interface StartUpResult {
  verbs: { verb: string; packagedMs: number; firstMs: number; checkoutMs: number }[]
}

/**
 * Runs verbs of the bundled program and of the checkout, in turn, on this process's Node. `firstMs` is without the cache of compiled
 * code.
 */
export async function benchStartUp(world: World, say: (line: string) => void): Promise<StartUpResult> {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-start-up-'))
  try {
    await bundle(join(dir, 'lib'))
    await mkdir(join(dir, 'cache'))
    const env = { ...process.env, ...(await world.env()), XDG_CACHE_HOME: join(dir, 'cache') }
    const packaged = join(dir, 'lib/program/anchorage.js')
    const checkout = join(import.meta.dirname, '../bin/anchorage.js')
    const measured = []
    for (const verb of verbs) {
      say(`${verb}: ${runs} runs of each`)
      const time = (program: string, more = {}) => timed([program, ...verb.split(' ')], { ...env, ...more })
      const ms: Record<'packaged' | 'first' | 'checkout', number[]> = {
        packaged: [],
        first: [],
        checkout: [],
      }
      // A first run fills the caches.
      for (const program of [packaged, checkout]) await time(program)
      for (let index = 0; index < runs; index++) {
        ms.packaged.push(await time(packaged))
        ms.first.push(await time(packaged, { NODE_DISABLE_COMPILE_CACHE: '1' }))
        ms.checkout.push(await time(checkout))
      }
      measured.push({
        verb,
        packagedMs: median(ms.packaged),
        firstMs: median(ms.first),
        checkoutMs: median(ms.checkout),
      })
    }
    return { verbs: measured }
  } finally {
    await rm(dir, { recursive: true })
  }
}

async function timed(args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const started = performance.now()
  await run(process.execPath, args, { env })
  return performance.now() - started
}
