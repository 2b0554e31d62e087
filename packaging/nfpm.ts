import { join } from 'node:path'
import { goBuild } from '../src/tools/go-build.ts'
import { run } from '../src/process/run.ts'
import type { ToolContext } from '../src/tools/tool.ts'
import { kept } from './kept.ts'
import type { Format, Staged } from './targets.ts'

/** Writes deb, rpm and apk packages. This is the newest version that Go 1.26 builds. */
const nfpm = {
  title: 'nfpm',
  module: 'github.com/goreleaser/nfpm/v2',
  package: 'github.com/goreleaser/nfpm/v2/cmd/nfpm',
  version: '2.45.2',
  takes: 'one to three minutes',
}

/**
 * Builds nfpm, once for each user. The function that it returns writes one package of `staged` into `into`, under its usual name, and
 * returns its path.
 */
export async function packager(context: ToolContext) {
  const dir = await kept(`nfpm-${nfpm.version}`, context, async (made) => {
    await goBuild(nfpm).get(join(made, 'nfpm'), context)
  })
  return async (format: Exclude<Format, 'tar.gz'>, staged: Staged, into: string): Promise<string> => {
    const said = await run(
      join(dir, 'nfpm'),
      ['package', '--config', configFile, '--packager', format, '--target', `${into}/`],
      {
        cwd: staged.dir,
        env: {
          ...context.env,
          NFPM_ARCH: staged.arch,
          NFPM_VERSION: staged.version,
          NFPM_RELEASE: packageRelease[format],
          SOURCE_DATE_EPOCH: String(staged.epoch),
        },
        signal: context.signal,
        limitMs: 5 * 60_000,
      },
    )
    return /^created package: (.*)$/m.exec(said)?.[1] ?? ''
  }
}

/**
 * The release number of the package, not of the program. Debian packages made by the program's own authors have none; the other formats
 * require one.
 */
const packageRelease = { deb: '', rpm: '1', apk: '0' }

const configFile = join(import.meta.dirname, 'nfpm.yaml')
