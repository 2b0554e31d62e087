import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from '../process/run.ts'
import type { ToolContext, ToolSource } from './tool.ts'

export interface GoProgram {
  title: string
  module: string
  /** The package of the program in the module. */
  package: string
  version: string
  /** How long the build takes, shown to those who wait. */
  takes: string
}

const progressEveryMs = 5_000
const limitMs = 40 * 60_000

/**
 * Builds a pinned version from source, in a Go module of its own. So all dependencies have the versions that the program's authors chose,
 * and neither this checkout nor its version control plays a part.
 */
export function goBuild(program: GoProgram): ToolSource {
  return {
    title: `Go build of ${program.module} v${program.version}`,
    version: program.version,
    async get(target, context) {
      const go = await goVersion(context)
      context.say(`building ${program.title} ${program.version} from source with Go ${go} (${program.takes})`)
      const dir = join(dirname(target), 'module')
      await mkdir(dir, { recursive: true })
      await writeFile(
        join(dir, 'go.mod'),
        `module anchorage.invalid/tool\n\ngo ${goLine(go)}\n\nrequire ${program.module} v${program.version}\n`,
      )
      await build(program, dir, target, context)
      return target
    },
  }
}

async function goVersion(context: ToolContext): Promise<string> {
  try {
    const said = await run('go', ['env', 'GOVERSION'], {
      env: context.env,
      signal: context.signal,
      limitMs: 20_000,
    })
    return said.trim().replace(/^go/, '')
  } catch (cause) {
    throw new Error('no Go on PATH', { cause })
  }
}

/** A `go` line that the installed toolchain accepts. If the program needs a newer toolchain, Go fetches it itself. */
function goLine(version: string): string {
  return /^\d+\.\d+/.exec(version)?.[0] ?? '1.21'
}

async function build(program: GoProgram, dir: string, target: string, context: ToolContext): Promise<void> {
  const started = performance.now()
  let [fetched, compiled] = [0, 0]
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - started) / 1000)
    context.say(`  ${program.title}: ${seconds} s, ${fetched} modules fetched, ${compiled} packages compiled`)
  }, progressEveryMs)
  const env = {
    ...context.env,
    GOFLAGS: '-mod=mod -buildvcs=false',
    GOWORK: 'off',
    CGO_ENABLED: '0',
    GO111MODULE: 'on',
  }
  try {
    await run('go', ['build', '-v', '-trimpath', '-ldflags=-s -w', '-o', target, program.package], {
      cwd: dir,
      env,
      signal: context.signal,
      limitMs,
      onLine: (line) => {
        if (line.startsWith('go: downloading')) fetched++
        else if (!line.startsWith('go: ')) compiled++
      },
    })
  } finally {
    clearInterval(timer)
  }
}
