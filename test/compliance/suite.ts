import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** The result of one check of the suite. */
export interface Check {
  name: string
  passed: boolean
}

export interface SuiteRun {
  checks: Check[]
  /** Everything that the suite printed: it shows which expectation of a check was not met. */
  said: string
}

export interface SuiteOptions {
  url: string
  token: string
  /** The spec that answers are checked against. */
  spec: string
  /** The RPC base of a Kubo that gets all content the suite invents; without it no peer has that content. */
  contentRpc?: string
}

const version = '1.8.1'

/**
 * Installs the published compliance suite into the user's cache, by the lock file beside this file. Its install scripts do not run: one
 * of its dependencies would download a Kubo that no check uses.
 */
export async function installSuite(): Promise<string> {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  const home = join(cache, 'anchorage', `compliance-${version}`)
  if (existsSync(join(home, 'node_modules'))) return home
  await mkdir(join(cache, 'anchorage'), { recursive: true })
  // made beside its final path and renamed when complete, so that an interrupted install is never used
  const fresh = await mkdtemp(`${home}.`)
  try {
    for (const file of ['package.json', 'package-lock.json'])
      await copyFile(join(import.meta.dirname, file), join(fresh, file))
    await finished('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], fresh)
    await rm(home, { recursive: true, force: true })
    await rename(fresh, home)
  } catch (cause) {
    await rm(fresh, { recursive: true, force: true })
    throw new Error(`the compliance suite ${version} could not be installed with npm`, { cause })
  }
  return home
}

/** Runs all checks in a process of their own, because the suite keeps its state in modules, and resolves with their outcomes. */
export async function runSuite(home: string, options: SuiteOptions): Promise<SuiteRun> {
  const out = await mkdtemp(join(tmpdir(), 'anchorage-compliance-'))
  try {
    const suite = pathToFileURL(
      join(home, 'node_modules/@ipfs-shipyard/pinning-service-compliance/dist/src/'),
    )
    const checks = join(import.meta.dirname, 'checks.ts')
    const env = { ...process.env, SUITE: String(suite), REPORTS: out, ...envOf(options) }
    const said = await finished(
      process.execPath,
      ['--no-warnings', checks, '-s', options.url, options.token],
      out,
      env,
    )
    const found = said.split('\n').filter((line) => line.startsWith('{"name"'))
    return { checks: found.map((line) => JSON.parse(line) as Check), said }
  } finally {
    await rm(out, { recursive: true, force: true })
  }
}

function envOf({ url, token, spec, contentRpc = '' }: SuiteOptions): Record<string, string> {
  return { ENDPOINT: url, TOKEN: token, SPEC: spec, CONTENT_RPC: contentRpc }
}

async function finished(program: string, args: string[], cwd: string, env = process.env): Promise<string> {
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 300_000 })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${program} ended with ${code}:\n${said}`)
  return said
}
