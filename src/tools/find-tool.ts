import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { AnchorageError } from '../core/errors.ts'
import { isAtLeast } from '../core/version.ts'
import { lock } from '../process/lock.ts'
import { run } from '../process/run.ts'
import { versionIn, type Tool, type ToolContext, type ToolSpec } from './tool.ts'

/** A tool could be neither found nor made. The message lists each step, its outcome, and what to install. */
export class ToolMissing extends AnchorageError {
  constructor(spec: ToolSpec, tried: string[], onlyLook = false) {
    const steps = tried.map((step) => `  - ${step}`).join('\n')
    const need = `${spec.title} ${spec.minVersion} or newer is needed, and none was found`
    const make = onlyLook ? '' : ' Or install Go and run this again.'
    super('unavailable', `${need}. Tried:\n${steps}\n${spec.advice}${make}`)
  }
}

/** Options of a search: the configured path, if any, and parts of a `ToolContext`. */
export type FindOptions = Pick<ToolContext, 'env' | 'say'> & {
  configured?: string | undefined
  signal?: AbortSignal
  /** Only look: a missing tool is neither fetched nor built. */
  onlyLook?: boolean
}

/**
 * Finds the tool that `spec` describes: the configured one, otherwise the first suitable one from PATH, the per-user cache and its sources. A
 * tool from a source is then kept in the cache. A configured tool that is unsuitable is an error, since it was asked for.
 */
export async function findTool(spec: ToolSpec, options: FindOptions): Promise<Tool> {
  const context = {
    env: options.env,
    say: options.say,
    signal: options.signal ?? new AbortController().signal,
  }
  const tried: string[] = []
  const attempt = async (step: string, path: string): Promise<Tool | null> => {
    const looked = await look(spec, path, context)
    if ('version' in looked) return { path, version: looked.version, from: step }
    tried.push(`${step}: ${looked.unfit}`)
    return null
  }

  if (options.configured !== undefined) {
    const tool = await attempt('configured', options.configured)
    if (tool) return tool
    throw new ToolMissing(spec, tried, options.onlyLook)
  }
  const onPath = await candidates(spec.name, context.env)
  if (onPath.length === 0) tried.push(`PATH: it has no ${spec.name}`)
  for (const path of onPath) {
    const tool = await attempt('PATH', path)
    if (tool) return tool
  }
  const kept = await cached(spec, context, attempt)
  if (kept) return kept
  if (options.onlyLook) throw new ToolMissing(spec, tried, true)
  return await made(spec, context, attempt, tried)
}

type Attempt = (step: string, path: string) => Promise<Tool | null>

async function cached(spec: ToolSpec, context: ToolContext, attempt: Attempt): Promise<Tool | null> {
  for (const { version } of spec.sources) {
    const path = version === null ? null : cachePath(spec, version, context.env)
    if (path !== null && (await isExecutable(path))) {
      const tool = await attempt('cache', path)
      if (tool) return tool
    }
  }
  return null
}

/**
 * Fetches or builds the tool under a lock, so that two processes that both lack it do so once: the second finds the first one's tool in the
 * cache.
 */
async function made(spec: ToolSpec, context: ToolContext, attempt: Attempt, tried: string[]): Promise<Tool> {
  const cacheDir = cacheDirOf(context.env)
  await mkdir(cacheDir, { recursive: true })
  await using _ = await lock(join(cacheDir, `${spec.name}.lock`), {
    signal: context.signal,
    onWait: (holder) =>
      context.say(`waiting for process ${holder.pid}, which is installing ${spec.title} too`),
  })
  const meanwhile = await cached(spec, context, attempt)
  if (meanwhile) return meanwhile
  const workshop = await mkdtemp(join(cacheDir, `.${spec.name}-`))
  try {
    for (const source of spec.sources) {
      const failed = tried.length
      const tool = await fromSource(source.title, tried, async () => {
        const path = await source.get(join(workshop, spec.name), context)
        const got = await attempt(source.title, path)
        if (got === null || source.version === null) return got
        const kept = cachePath(spec, source.version, context.env)
        await rename(path, kept)
        return { ...got, path: kept }
      })
      context.signal.throwIfAborted()
      if (tool) return tool
      for (const step of tried.slice(failed)) context.say(`  ${step}`)
    }
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
  throw new ToolMissing(spec, tried)
}

async function fromSource(
  title: string,
  tried: string[],
  get: () => Promise<Tool | null>,
): Promise<Tool | null> {
  try {
    return await get()
  } catch (error) {
    tried.push(`${title}: ${error instanceof Error ? error.message : String(error)}`)
    return null
  }
}

async function look(
  spec: ToolSpec,
  path: string,
  context: ToolContext,
): Promise<{ version: string } | { unfit: string }> {
  try {
    const said = await run(path, spec.versionArgs, {
      env: context.env,
      signal: context.signal,
      limitMs: 20_000,
    })
    const version = versionIn(said)
    if (version === null) return { unfit: `${path} does not print its version` }
    if (isAtLeast(version, spec.minVersion)) return { version }
    return { unfit: `${path} is ${version}, older than ${spec.minVersion} (${spec.because})` }
  } catch (error) {
    context.signal.throwIfAborted()
    return { unfit: `${path} does not run: ${error instanceof Error ? error.message : String(error)}` }
  }
}

async function candidates(name: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const paths = [...new Set((env['PATH'] ?? '').split(delimiter))]
    .filter(Boolean)
    .map((dir) => join(dir, name))
  const there = await Promise.all(paths.map(isExecutable))
  return paths.filter((_, index) => there[index])
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function cachePath(spec: ToolSpec, version: string, env: NodeJS.ProcessEnv): string {
  return join(cacheDirOf(env), `${spec.name}-${version}`)
}

/** The directory that keeps executables for this user. */
export function cacheDirOf(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'anchorage', 'bin')
}
