import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { findTool, ToolMissing } from './find-tool.ts'
import type { ToolSource, ToolSpec } from './tool.ts'

/** A machine of its own: a PATH folder and a cache, for fake tools that only print their version. */
async function machine() {
  const root = await mkdtemp(join(tmpdir(), 'anchorage-tools-'))
  const said: string[] = []
  const env = { PATH: `${join(root, 'bin')}:/usr/bin:/bin`, XDG_CACHE_HOME: join(root, 'cache') }
  return {
    cache: join(root, 'cache/anchorage/bin'),
    bin: join(root, 'bin'),
    said,
    options: { env, say: (line: string) => void said.push(line) },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  }
}

async function install(path: string, version: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `#!/bin/sh\necho "served version ${version}"\n`)
  await chmod(path, 0o755)
  return path
}

function spec(...sources: ToolSource[]): ToolSpec {
  return {
    name: 'served',
    title: 'Served',
    minVersion: '2.11.0',
    because: 'it must',
    versionArgs: ['--version'],
    sources,
    advice: 'Install Served.',
  }
}

function source(version: string, get: (target: string) => Promise<string>): ToolSource & { asked: number } {
  const made = {
    title: `source of ${version}`,
    version,
    asked: 0,
    get: (target: string) => (made.asked++, get(target)),
  }
  return made
}

const never: ToolSource = {
  title: 'never',
  version: '9.9.9',
  get: () => assert.fail('asked a source without need'),
}

test('the configured tool is preferred to all others', async () => {
  await using here = await machine()
  await install(join(here.bin, 'served'), '3.0.0')
  const configured = await install(join(here.cache, 'elsewhere'), '2.12.0')
  assert.deepEqual(await findTool(spec(never), { ...here.options, configured }), {
    path: configured,
    version: '2.12.0',
    from: 'configured',
  })
})

test('a configured tool that is too old is an error, even if PATH has a suitable one', async () => {
  await using here = await machine()
  await install(join(here.bin, 'served'), '3.0.0')
  const configured = await install(join(here.cache, 'elsewhere'), '2.9.0')
  await assert.rejects(
    findTool(spec(never), { ...here.options, configured }),
    /2\.9\.0, older than 2\.11\.0 \(it must\)/,
  )
})

test('a tool on PATH that is too old is passed over for the next one on PATH, and then for the cache', async () => {
  await using here = await machine()
  await install(join(here.bin, 'served'), '2.10.9')
  const cached = await install(join(here.cache, 'served-2.15.2'), '2.15.2')
  const from = source('2.15.2', () => assert.fail('the cache had it'))
  assert.equal((await findTool(spec(from), here.options)).path, cached)
  const second = await install(join(here.bin, 'more/served'), '2.14.0')
  here.options.env.PATH = `${here.bin}:${dirname(second)}:/usr/bin:/bin`
  assert.equal((await findTool(spec(from), here.options)).path, second)
})

test('a tool from a source is kept in the cache, and no other file is left there', async () => {
  await using here = await machine()
  const from = source('2.15.2', (target) => install(target, '2.15.2'))
  const made = await findTool(spec(from), here.options)
  assert.deepEqual(made, {
    path: join(here.cache, 'served-2.15.2'),
    version: '2.15.2',
    from: 'source of 2.15.2',
  })
  assert.equal((await findTool(spec(from), here.options)).from, 'cache')
  assert.equal(from.asked, 1)
  assert.deepEqual(await readdir(here.cache), ['served-2.15.2'])
})

test('two searches that miss the tool at the same time make it once', async () => {
  await using here = await machine()
  const from = source('2.15.2', (target) => install(target, '2.15.2'))
  const found = await Promise.all([findTool(spec(from), here.options), findTool(spec(from), here.options)])
  assert.equal(from.asked, 1)
  assert.deepEqual(found.map((tool) => tool.from).sort(), ['cache', 'source of 2.15.2'])
})

test('when a source fails, the next one is asked and the failure is reported', async () => {
  await using here = await machine()
  const broken = source('2.14.0', () => Promise.reject(new Error('no route')))
  const wrong = source('2.13.0', (target) => install(target, '1.0.0'))
  const good = source('2.15.2', (target) => install(target, '2.15.2'))
  assert.equal((await findTool(spec(broken, wrong, good), here.options)).version, '2.15.2')
  assert.match(here.said.join('\n'), /source of 2\.14\.0: no route[^]*1\.0\.0, older than 2\.11\.0/)
})

test('when all sources fail, the error names every step, its outcome and what to install', async () => {
  await using here = await machine()
  await writeFile(await install(join(here.cache, 'served-2.14.0'), ''), 'exec nonsense')
  const broken = source('2.14.0', () => Promise.reject(new Error('no route')))
  await assert.rejects(findTool(spec(broken), here.options), (error) => {
    assert.ok(error instanceof ToolMissing)
    assert.match(
      error.message,
      /PATH: it has no served\n.*cache: .*does not run[^]*source of 2\.14\.0: no route\nInstall Served\. Or install Go and run this again\.$/,
    )
    return true
  })
})

test('a search that only looks asks no source, and its advice is to install the tool', async () => {
  await using here = await machine()
  const from = source('2.15.2', (target) => install(target, '2.15.2'))
  await assert.rejects(findTool(spec(from), { ...here.options, onlyLook: true }), (error) => {
    assert.ok(error instanceof ToolMissing)
    assert.match(error.message, /none was found\. Tried:\n {2}- PATH: it has no served\nInstall Served\.$/)
    return true
  })
  assert.equal(from.asked, 0)
})

test('an abort ends the search with its reason, not with a list of failures', async () => {
  await using here = await machine()
  const stop = new AbortController()
  const from = source('2.15.2', () => (stop.abort(new Error('enough')), Promise.reject(new Error('cut off'))))
  await assert.rejects(findTool(spec(from), { ...here.options, signal: stop.signal }), /enough/)
})
