import { goBuild, type GoProgram } from './go-build.ts'
import { officialRelease } from './release.ts'
import type { ToolSpec } from './tool.ts'

/** The version that is fetched or built, so that all machines without a nats-server get the same one. */
const version = '2.14.5'

/** SHA-256 of that release's archives, as published by the authors with their container images. */
const released = {
  'linux-x64': { arch: 'amd64', sha256: '5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355' },
  'linux-arm64': {
    arch: 'arm64',
    sha256: '673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c',
  },
}

/** The source of nats-server, which builds on any machine for any other. */
export const natsServerProgram: GoProgram = {
  title: 'nats-server',
  module: 'github.com/nats-io/nats-server/v2',
  package: 'github.com/nats-io/nats-server/v2',
  version,
  takes: 'about a minute',
}

/** NATS with JetStream: carries the hints between nodes, and the leader's lease. */
export function natsServer(platform = `${process.platform}-${process.arch}`): ToolSpec {
  const build = platform === 'linux-x64' || platform === 'linux-arm64' ? released[platform] : null
  const folder = `nats-server-v${version}-linux-${build?.arch}`
  const url = `https://github.com/nats-io/nats-server/releases/download/v${version}/${folder}.tar.gz`
  return {
    name: 'nats-server',
    title: 'nats-server',
    minVersion: '2.12.0',
    because: 'the stream of hints is written after it is acknowledged, which older versions cannot do',
    versionArgs: ['--version'],
    sources: [
      officialRelease({
        title: 'nats-server',
        version,
        archive: build && { url, sha256: build.sha256 },
        member: `${folder}/nats-server`,
      }),
      goBuild(natsServerProgram),
    ],
    advice: 'Install nats-server 2.12 or newer, and put it on PATH or name it in nats.binary.',
  }
}
