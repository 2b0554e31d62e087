import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { blocksOf } from '../../testing/runbook-page.ts'
import { pagesForCluster, pagesForFreshMachines } from '../../testing/runbook-pages.ts'
import { pinErrorCodes } from '../core/pin.ts'
import { configKeys } from '../config/keys.ts'
import { limitsDocs } from './limits-docs.ts'

/** The anchor of a heading: lower case, without punctuation, a dash for each space. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

const root = join(import.meta.dirname, '../..')
const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: root })
const read = (page: string) => readFileSync(join(root, page), 'utf8')

test('every link from a page to a file leads to an existing file', () => {
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !existsSync(join(root, dirname(page), target)))
      .map((target) => `${page}: ${target}`),
  )
  assert.ok(pages.length > 10)
  assert.deepEqual(broken, [])
})

test('every link to a heading leads to an existing heading', () => {
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)]
      .filter(([, target = '', anchor = '']) => {
        const there = read(target === '' ? page : join(dirname(page), target))
        return ![...there.matchAll(/^#+ (.+)$/gm)].some(([, heading = '']) => anchorOf(heading) === anchor)
      })
      .map(([link]) => `${page}: ${link}`),
  )
  assert.deepEqual(broken, [])
})

test('the walk of a POST in ARCHITECTURE.md names files that exist', () => {
  const [, walk = ''] = /^## The walk of one .*?\n(.*?)^## /ms.exec(read('ARCHITECTURE.md')) ?? []
  const named = [...walk.matchAll(/`([\w/-]+\.(?:ts|sql))`/g)].map(([, file = '']) => file)
  assert.ok(named.length > 40)
  const missing = named.filter(
    (file) => !existsSync(join(root, 'src', file.endsWith('.sql') ? `store/functions/${file}` : file)),
  )
  assert.deepEqual(missing, [])
})

test('npm run test:runbooks walks every page that has commands to run', () => {
  const runnable = globSync('docs/**/*.md', { cwd: root }).filter((page) =>
    blocksOf(page).some(({ notRun }) => notRun === null),
  )
  const walked: string[] = [...pagesForFreshMachines, ...pagesForCluster]
  assert.deepEqual(runnable.toSorted(), walked.toSorted())
})

test('docs/limits.md is current (anchorage config limits > docs/limits.md makes it so)', () => {
  assert.equal(read('docs/limits.md'), limitsDocs())
})

test('the page of limits names each limit as the log does', async () => {
  const sources = globSync('src/{core,http,store}/**/*.ts', { cwd: root }).filter(
    (file) => !file.includes('.test.'),
  )
  const logged = sources.flatMap((file) =>
    [...read(file).matchAll(/\bbound: '([^']+)'/g)].map(([, name = '']) => name),
  )
  assert.ok(logged.length >= 4)
  const page = read('docs/limits.md')
  assert.deepEqual(
    logged.filter((name) => !page.includes(`| ${name} |`)),
    [],
  )
})

test('the runbook says what to do for every error code that a pin can show', () => {
  const runbook = read('docs/operate.md')
  assert.deepEqual(
    pinErrorCodes.filter((code) => !runbook.includes(`| \`${code}\``)),
    [],
  )
})

test('every option that a page names exists', () => {
  const sections = new Set(configKeys.map((key) => key.split('.')[0]))
  const named = pages.flatMap((page) =>
    [...read(page).matchAll(/`([a-z]+)\.([a-z][A-Za-z]+)`/g)].map(([, section = '', name]) => ({
      section,
      name,
      page,
    })),
  )
  const wrong = named
    .filter(({ section, name }) => sections.has(section) && name !== 'ts')
    .filter(({ section, name }) => !configKeys.some((key) => key === `${section}.${name}`))
  assert.ok(named.length > 20)
  assert.deepEqual(wrong, [])
})

test('every package that ships, or that checks what ships, has its reason in ADR 11', () => {
  const {
    dependencies,
    devDependencies,
    optionalDependencies,
  }: Record<string, Record<string, string>> = JSON.parse(read('package.json'))
  const reasons = read('docs/adr/0011-what-we-depend-on.md')
  const unexplained = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })
    .filter((name) => !name.startsWith('@types/'))
    .filter(
      (name) => !reasons.includes(`\`${name}\``) && !reasons.includes(`\`${name.replace(/\/.*/, '/*')}\``),
    )
  assert.deepEqual(unexplained, [])
})
