// Brings node_modules up to package-lock.json. Runs on any Node from version 20, with no package installed yet.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Installs what is missing, if anything is, and returns the Node to run everything else on. */
export async function install() {
  const why = whyNot()
  if (why !== null) {
    console.error(`installing packages (${why})`)
    await npmCi()
  }
  return modernNode()
}

/** Why node_modules is not usable; null when it is. */
function whyNot() {
  if (!existsSync(join(root, 'node_modules'))) return 'there are no packages yet'
  const wanted = packagesIn('package-lock.json')
  const installed = packagesIn('node_modules/.package-lock.json')
  for (const [path, { version, optional }] of Object.entries(wanted)) {
    if (path === '') continue
    const there = installed[path]
    // An optional package may be for another machine, or its download may have failed.
    if (there === undefined ? !optional : there.version !== version) return `${path} is not ${version}`
  }
  return null
}

function packagesIn(lockFile) {
  try {
    return JSON.parse(readFileSync(join(root, lockFile), 'utf8')).packages
  } catch {
    return {}
  }
}

async function npmCi() {
  const started = Date.now()
  const timer = setInterval(() => console.error(`  npm ci: ${seconds(started)} s`), 5_000)
  // npm sets its own path in the environment; without npm as the parent, npm is on PATH.
  const npm = process.env.npm_execpath
  const [command, ...before] = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm']
  const args = [...before, 'ci', '--no-audit', '--no-fund', '--loglevel=error']
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', process.stderr, process.stderr] })
  const code = await ended(child)
  clearInterval(timer)
  if (code !== 0) throw new Error(`npm ci failed (${code}); its output is above`)
  console.error(`  npm ci: done in ${seconds(started)} s`)
}

/** Node 24, which runs our TypeScript without a build: npm's `node` package has it, whatever is on PATH. */
export function modernNode() {
  for (const node of [join(root, 'node_modules/.bin/node'), process.execPath]) {
    const said = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout ?? ''
    if (Number(/^v(\d+)/.exec(said)?.[1]) >= 24) return node
  }
  throw new Error(
    'no Node 24: npm did not run the install script of its `node` package. Allow it, or put Node 24 on PATH',
  )
}

/** How a child ended: its exit code, or the code that a shell gives for the signal that ended it. */
export function ended(child) {
  const numbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? 128 + (numbers[signal] ?? 0)))
  })
}

/** Whole seconds since `started`. */
export function seconds(started) {
  return Math.round((Date.now() - started) / 1000)
}

/** Whether `url` is the script that was started. */
export function isMain(url) {
  return process.argv[1] !== undefined && url === pathToFileURL(process.argv[1]).href
}

if (isMain(import.meta.url)) {
  install().catch((error) => {
    console.error(error.message)
    process.exitCode = 1
  })
}
