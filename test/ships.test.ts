// What `npm install --omit=dev` gives: the files that package.json lists, and the packages of `dependencies`.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { before, after, test } from 'node:test'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '..')
const run = promisify(execFile)
let dir: string
let files: string[]

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'anchorage-ships-'))
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root })
  const [packed]: { files: { path: string }[] }[] = JSON.parse(stdout)
  assert.ok(packed)
  files = packed.files.map(({ path }) => path)
  for (const file of files) await cp(join(root, file), join(dir, file))
  for (const path of await productionPackages()) {
    await mkdir(dirname(join(dir, path)), { recursive: true })
    await symlink(join(root, path), join(dir, path))
  }
})
after(() => rm(dir, { recursive: true }))

/** The folders of node_modules that are needed without development: no other package can be imported. */
async function productionPackages(): Promise<string[]> {
  const args = ['ls', '--omit=dev', '--omit=optional', '--all', '--parseable']
  const { stdout } = await run('npm', args, { cwd: root })
  const paths = stdout
    .trim()
    .split('\n')
    .map((path) => relative(root, path))
  return paths.filter((path) => /^node_modules\/(?!.*node_modules\/)/.test(path))
}

test('the files that ship hold the program and its SQL, and nothing of tests', () => {
  for (const needed of [
    'bin/anchorage.js',
    'migrations/0100_start.sql',
    'src/store/functions/accept_pins.sql',
  ])
    assert.ok(files.includes(needed), needed)
  assert.deepEqual(
    files.filter((file) => /\.test\.ts$|^(?:test|testing|bench|docs|deploy)\//.test(file)),
    [],
  )
})

test('what ships starts, and each verb loads, without the packages of development', async () => {
  const anchorage = async (...args: string[]): Promise<string> =>
    (
      await run(process.execPath, ['bin/anchorage.js', ...args], {
        cwd: dir,
        env: { PATH: process.env['PATH'] },
      })
    ).stdout
  assert.match(await anchorage('--version'), /^\d+\.\d+\.\d+\n$/)
  // Loads every verb, and with it all that a verb imports.
  assert.match(await anchorage('completion', 'bash'), /migrate/)
})

test('serve loads, and says what its config lacks', async () => {
  const config = join(dir, 'anchorage.yaml')
  await writeFile(config, 'data:\n  dir: data\n')
  await assert.rejects(
    run(process.execPath, ['bin/anchorage.js', 'serve', '--config', config], { cwd: dir }),
    (error: Error & { stderr?: string }) => /database\.url is not set/.test(error.stderr ?? ''),
  )
})
