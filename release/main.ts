import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { artifactsIn } from './artifacts.ts'
import { bump, readinessOf } from './checkout.ts'
import { imageTags } from './destinations.ts'
import { giteaAt, type Target } from './gitea.ts'
import { pushImage } from './image.ts'
import { plan, planTable } from './plan.ts'
import { publish } from './publish.ts'

const usage = `
Usage: npm run release -- [--dry-run] [--dist DIR] [--no-image] [--json]
       npm run release -- --check
       npm run release -- bump VERSION

Builds the packages and publishes them to a Gitea: its releases, its package registry, its container registry. Run again after
a failure, it continues where it stopped. See docs/release.md.

  --dry-run   builds, but publishes nothing; lists where each file would go, and what still prevents a release
  --dist DIR  publishes the packages that are already in DIR
  --no-image  does not publish the image, which needs docker
  --check     only tells whether this checkout can be released; the exit code is 1 if not
  bump        writes VERSION into every file that has the version, and makes it the heading of the changelog's unreleased lines

  GITEA_URL, GITEA_REPOSITORY (OWNER/NAME), GITEA_TOKEN, GITEA_USER (who logs in to the container registry);
  in a Gitea Action all but the token are set. SIGNING_KEY: see npm run build:packages -- --help
`

const root = join(import.meta.dirname, '..')
const nowhere: Target = { url: 'GITEA_URL', owner: 'OWNER', repository: 'NAME' }

/** Runs `npm run release` with its arguments; returns the exit code. */
async function main(argv: string[], env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<number> {
  const { values: flags, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      check: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      dist: { type: 'string' },
      'no-image': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  })
  if (flags.help) return print(usage.trim())
  const [verb, wanted, ...more] = positionals
  if (verb === 'bump' && wanted !== undefined && more.length === 0) return bumpTo(wanted)
  if (verb !== undefined) throw new Error(usage.trim())

  const { version, notes, problems } = await readinessOf(root)
  const target = targetIn(env)
  const token = env['GITEA_TOKEN'] ?? ''
  if (flags.check) return problems.length > 0 ? refuse(problems) : print(`v${version} can be released`)
  if (!flags['dry-run']) {
    if (target === null)
      problems.push('the Gitea to publish to is not known: set GITEA_URL and GITEA_REPOSITORY')
    if (token === '')
      problems.push('GITEA_TOKEN is not set: it needs the scopes write:repository and write:package')
    if (problems.length > 0) return refuse(problems)
  }
  if (flags.dist === undefined) await build(env, signal)
  const dist = flags.dist ?? join(root, 'dist')
  const artifacts = await artifactsIn(dist)
  if (!artifacts.some(({ name }) => name.startsWith(`anchorage_${version}_`)))
    throw new Error(`the files in ${dist} are not of version ${version}: build again`)
  const to = target ?? nowhere
  if (flags['dry-run']) {
    const steps = plan(version, artifacts, to, !flags['no-image'])
    if (flags.json) return print(JSON.stringify({ version, steps, problems }, null, 2))
    return print([planTable(steps), ...listed('to do before the release', problems)].join('\n'))
  }
  const image = async () => {
    const tags = imageTags(to.owner, version)
    const user = env['GITEA_USER'] || env['GITHUB_ACTOR'] || to.owner
    const host = new URL(to.url).host
    const pushed = await pushImage({ context: join(dist, 'image'), host, user, token, tags, signal })
    print(`${pushed ? 'pushed   ' : 'was there'}  image ${tags.join(', ')}`)
  }
  const gitea = giteaAt(to, token, signal)
  await publish(gitea, { version, notes, artifacts }, flags['no-image'] ? async () => {} : image, print)
  return 0
}

async function bumpTo(version: string): Promise<number> {
  await bump(root, version, new Date().toISOString().slice(0, 10))
  return print(
    `this checkout has version ${version} now: check the changes, commit them, then run git tag -a ` +
      `v${version} -m v${version}`,
  )
}

function targetIn(env: NodeJS.ProcessEnv): Target | null {
  const url = env['GITEA_URL'] || env['GITHUB_SERVER_URL']
  const [owner, repository] = (env['GITEA_REPOSITORY'] || env['GITHUB_REPOSITORY'] || '').split('/')
  return url && owner && repository ? { url: url.replace(/\/+$/, ''), owner, repository } : null
}

async function build({ SIGNING_KEY: key, ...env }: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const child = spawn('npm', ['run', '--silent', 'build:packages'], {
    cwd: root,
    // In an Action, a secret that is not set is an empty string.
    env: key ? { ...env, SIGNING_KEY: key } : env,
    signal,
    stdio: ['ignore', 2, 2],
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`npm run build:packages ended with ${code}; its output is above`)
}

function refuse(problems: string[]): number {
  process.stderr.write(`${listed('not released', problems).join('\n').trim()}\n`)
  return 1
}

function listed(title: string, lines: string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `- ${line}`)]
}

function print(text: string): 0 {
  process.stdout.write(`${text}\n`)
  return 0
}

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'disconnect'])
  process.once(signal, () => stop.abort(new Error('stopped')))

main(process.argv.slice(2), process.env, stop.signal).then(
  // An open channel to the parent would keep this process alive.
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  },
)
