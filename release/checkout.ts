import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cut, notesOf } from './changelog.ts'

const run = promisify(execFile)

/** The release that a checkout would make, and the problems that prevent it. */
export interface Readiness {
  version: string
  /** The changelog's section for the version; empty when there is none. */
  notes: string
  /** Each problem says what to do. */
  problems: string[]
}

const chartFile = 'deploy/helm/anchorage/Chart.yaml'

/** Checks whether `root`, a git checkout, is ready to be released as its version. */
export async function readinessOf(root: string): Promise<Readiness> {
  const [manifest, changelog, chart, tags, changes] = await Promise.all([
    readFile(join(root, 'package.json'), 'utf8'),
    readFile(join(root, 'CHANGELOG.md'), 'utf8'),
    readFile(join(root, chartFile), 'utf8'),
    git(root, 'tag', '--points-at', 'HEAD'),
    git(root, 'status', '--porcelain'),
  ])
  const { version }: { version: string } = JSON.parse(manifest)
  const notes = notesOf(changelog, version) ?? ''
  const bump = `npm run release -- bump ${version}`
  const problems = []
  if (notes === '') problems.push(`CHANGELOG.md has no section ${version}: ${bump}`)
  if (chartVersions(chart).some((written) => written !== version))
    problems.push(`${chartFile} has another version than package.json, which has ${version}: ${bump}`)
  if (changes.length > 0)
    problems.push(`these changes are not committed: ${changes.map((line) => line.slice(3)).join(', ')}`)
  if (!tags.includes(`v${version}`))
    problems.push(`this commit has no tag v${version}: git tag -a v${version} -m v${version}`)
  return { version, notes, problems }
}

/** Writes `version` to every file in `root` that contains it, and closes the changelog's section on `date` (YYYY-MM-DD). */
export async function bump(root: string, version: string, date: string): Promise<void> {
  if (!/^\d+\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?$/.test(version))
    throw new Error(`${version} is not a version such as 1.2.3 or 1.2.3-rc.1`)
  const changelog = join(root, 'CHANGELOG.md')
  const written = cut(await readFile(changelog, 'utf8'), version, date)
  await run('npm', ['version', version, '--no-git-tag-version', '--allow-same-version'], { cwd: root })
  const chart = join(root, chartFile)
  const text = await readFile(chart, 'utf8')
  await writeFile(chart, text.replaceAll(/^(version|appVersion): .*$/gm, `$1: ${version}`))
  await writeFile(changelog, written)
}

function chartVersions(chart: string): (string | undefined)[] {
  return ['version', 'appVersion'].map((key) => new RegExp(`^${key}: (.+)$`, 'm').exec(chart)?.[1])
}

async function git(root: string, ...args: string[]): Promise<string[]> {
  const { stdout } = await run('git', args, { cwd: root })
  return stdout.split('\n').filter(Boolean)
}
