import { access } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { goBuild } from './go-build.ts'
import { run } from '../process/run.ts'
import type { ToolSource, ToolSpec } from './tool.ts'

/** The IPFS node that stores what is pinned. */
export function kubo(): ToolSpec {
  return {
    name: 'ipfs',
    title: 'Kubo',
    minVersion: '0.42.0',
    because: 'before 0.42 a pin could wait for hours behind announcements, and a stop could hang',
    versionArgs: ['version'],
    sources: [
      npmPackage,
      goBuild({
        title: 'Kubo',
        module: 'github.com/ipfs/kubo',
        package: 'github.com/ipfs/kubo/cmd/ipfs',
        version: '0.43.0',
        takes: '1 to 5 minutes',
      }),
    ],
    advice: 'Install Kubo 0.42 or newer and put its `ipfs` on PATH.',
  }
}

/** npm's `kubo` contains the official binary once its install script has fetched it; npm may have been told not to run that script. */
const npmPackage: ToolSource = {
  title: "npm's kubo package",
  version: null,
  async get(_target, context) {
    const root = packageRoot()
    const binary = join(root, 'kubo', 'ipfs')
    if (await exists(binary)) return binary
    context.say("fetching Kubo with the installer of npm's package")
    await run(process.execPath, [join(root, 'src', 'post-install.js')], {
      cwd: root,
      env: context.env,
      signal: context.signal,
      limitMs: 180_000,
    })
    return binary
  },
}

function packageRoot(): string {
  try {
    return join(dirname(fileURLToPath(import.meta.resolve('kubo'))), '..')
  } catch (cause) {
    throw new Error('not installed (npm leaves an optional package out when its download fails)', { cause })
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}
