import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Document } from 'yaml'
import { configKeys, variableOf, type ConfigKey } from '../config/keys.ts'
import { startChild, type Child, type ChildSpec } from '../process/child.ts'
import { writePrivate } from '../process/private-file.ts'

/** The command line of anchorage itself. */
export const mainFile = fileURLToPath(new URL('../cli/main.ts', import.meta.url))

/** The options in a node's generated config; all others come from their defaults, the environment or flags. */
export type NodeSettings = Partial<Record<ConfigKey, string | number | boolean>>

export interface NodeOptions {
  name: string
  /** The folder of its own files; made when absent. */
  dir: string
  /** Options by which the node finds its servers; no variable in the environment changes them. */
  settings: NodeSettings
  /** Options that suit a developer's machine; the environment may change them. */
  defaults: NodeSettings
  url: string
  logFile: string
  env: NodeJS.ProcessEnv
  restartAfterMs: number | null
  onChange?: ChildSpec['onChange']
}

/** A node that runs as `anchorage serve`. */
export type NodeChild = Child & { nodeId: string; configFile: string; url: string }

/** Writes the node's config and starts it; resolves once it answers. */
export async function startNodeProcess(options: NodeOptions): Promise<NodeChild> {
  const configFile = await writeNodeConfig(options.dir, { ...options.settings, ...options.defaults })
  let nodeId = ''
  const child = await startChild({
    name: options.name,
    command: process.execPath,
    args: [mainFile, 'serve', '--config', configFile],
    cwd: options.dir,
    env: withoutVariablesOf(options.settings, options.env),
    user: null,
    logFile: options.logFile,
    stopSignal: 'SIGTERM',
    stopGraceMs: 20_000,
    readyWithinMs: 60_000,
    ready: async (signal) => {
      nodeId = await healthy(options.url, signal)
    },
    restartAfterMs: options.restartAfterMs,
    ...(options.onChange ? { onChange: options.onChange } : {}),
  })
  return { ...child, nodeId, configFile, url: options.url }
}

/** The config file of the node in `dir`: `DIR/config.yaml`, private because it holds database passwords. */
export async function writeNodeConfig(dir: string, settings: NodeSettings): Promise<string> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const document = new Document({})
  for (const [key, value] of Object.entries(settings)) document.setIn(key.split('.'), value)
  const configFile = join(dir, 'config.yaml')
  await writePrivate(configFile, `# Written by anchorage dev at each start.\n${document.toString()}`)
  return configFile
}

/** The environment wins over the config file, so variables of generated options must not reach the node. */
export function withoutVariablesOf(settings: NodeSettings, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const generated = new Set(configKeys.filter((key) => key in settings).map(variableOf))
  const own = new Set(['ANCHORAGE_URL', 'ANCHORAGE_TOKEN', 'ANCHORAGE_CONFIG'])
  return Object.fromEntries(Object.entries(env).filter(([name]) => !generated.has(name) && !own.has(name)))
}

async function healthy(url: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    try {
      const response = await fetch(`${url}/v1/health`, { signal })
      const body: unknown = await response.json()
      const id = response.ok ? nodeIdIn(body) : null
      if (id !== null) return id
    } catch {
      signal.throwIfAborted()
    }
    await sleep(50, undefined, { signal })
  }
}

function nodeIdIn(body: unknown): string | null {
  if (typeof body !== 'object' || body === null || !('node' in body)) return null
  const { node } = body
  return typeof node === 'object' && node !== null && 'id' in node ? String(node.id) : null
}
