import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { ToolContext } from '../src/tools/tool.ts'
import { bundle } from './bundle.ts'
import { components, type Component } from './components.ts'
import { imageContext } from './image.ts'
import { madeFiles } from './made.ts'
import { packager } from './nfpm.ts'
import { sbom } from './sbom.ts'
import { stage, type Contents } from './stage.ts'
import { writeSums } from './sums.ts'
import { arches, formats, type Arch, type Format } from './targets.ts'
import { tarball } from './tarball.ts'

const root = join(import.meta.dirname, '..')

const usage = `
Usage: npm run build:packages -- [--out DIR] [--arch ${arches.join(',')}] [--formats ${formats.join(',')}]

Writes into DIR (dist), which is emptied first: the packages, a bill of materials of them (CycloneDX), the files of the image (DIR/image),
and SHA256SUMS. The same commit and the same Go give the same bytes.

In the environment:
  SIGNING_KEY        an Ed25519 key (PEM) that signs SHA256SUMS
  SOURCE_DATE_EPOCH  the date of all packed files (seconds since 1970); without it, the date of the commit
`

/** What the command line asks to build. */
interface Order {
  out: string
  arches: Arch[]
  formats: Format[]
}

async function build(order: Order, context: ToolContext): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'anchorage-build-'))
  try {
    const contents = await step('the program', context, () => contentsOf(join(work, 'program'), context))
    const { version, epoch, parts } = contents
    await rm(order.out, { recursive: true, force: true })
    await mkdir(order.out, { recursive: true })
    await writeFile(join(order.out, `anchorage_${version}_sbom.cdx.json`), sbom(version, epoch, parts))
    const apks = new Map<Arch, string>()
    for (const arch of order.arches) {
      const made = await step(`packages for ${arch}`, context, () =>
        packagesOf(arch, contents, order, join(work, arch), context),
      )
      const apk = made.find((path) => path.endsWith('.apk'))
      if (apk !== undefined) apks.set(arch, apk)
      await rm(join(work, arch), { recursive: true })
    }
    if (apks.size > 0) await imageContext(order.out, apks)
    await writeSums(order.out, context.env['SIGNING_KEY'])
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function contentsOf(program: string, context: ToolContext): Promise<Contents & { parts: Component[] }> {
  const { version }: { version: string } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const epoch = Number(context.env['SOURCE_DATE_EPOCH'] ?? timeOfCommit())
  const parts = await components(await bundle(program), context)
  return { program, version, epoch, parts, made: await madeFiles({ version, epoch }, parts) }
}

/** Makes the packages of one architecture, and returns their paths. */
async function packagesOf(
  arch: Arch,
  contents: Contents,
  { out, formats }: Order,
  work: string,
  context: ToolContext,
): Promise<string[]> {
  const [staged, pack] = [await stage(contents, arch, work, context), await packager(context)]
  return Promise.all(
    formats.map((format) =>
      format === 'tar.gz' ? tarball(staged, out, context) : pack(format, staged, out),
    ),
  )
}

/** Runs a step, and prints when it begins and how long it took. */
async function step<T>(title: string, context: ToolContext, work: () => Promise<T>): Promise<T> {
  context.signal.throwIfAborted()
  const started = performance.now()
  context.say(title)
  const result = await work()
  context.say(`  ${((performance.now() - started) / 1000).toFixed(1)} s`)
  return result
}

function timeOfCommit(): string {
  try {
    return execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }).trim()
  } catch (cause) {
    throw new Error(
      'this is not a git checkout: set SOURCE_DATE_EPOCH to the date of the packed files (seconds since ' +
        '1970)',
      {
        cause,
      },
    )
  }
}

function listOf<T extends string>(given: string, known: readonly T[], what: string): T[] {
  return given.split(',').map((word) => {
    const found = known.find((name) => name === word)
    if (found === undefined) throw new Error(`${what}: expected ${known.join(', ')}, not ${word}`)
    return found
  })
}

async function main(): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'disconnect'])
    process.once(signal, () => stop.abort(new Error('stopped')))
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: join(root, 'dist') },
      arch: { type: 'string', default: arches.join(',') },
      formats: { type: 'string', default: formats.join(',') },
      help: { type: 'boolean' },
    },
  })
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  if (values.help) return say(usage.trim())
  const order: Order = {
    out: resolve(values.out),
    arches: listOf(values.arch, arches, '--arch'),
    formats: listOf(values.formats, formats, '--formats'),
  }
  await build(order, { env: process.env, say, signal: stop.signal })
}

main().then(
  // An open channel to the parent would keep this process alive.
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  },
)
