import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { goBuild } from './go-build.ts'
import { officialRelease } from './release.ts'

async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'anchorage-sources-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

const context = (env: NodeJS.ProcessEnv, say = (_line: string): void => undefined) => ({
  env,
  say,
  signal: new AbortController().signal,
})

/** Serves one archive that holds `served/served`. */
async function releaseServer(dir: string) {
  await mkdir(join(dir, 'served'))
  await writeFile(join(dir, 'served/served'), 'the program')
  const archive = execFileSync('tar', ['-czf', '-', '-C', dir, 'served/served'])
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/there' ? 200 : 404).end(archive)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    sha256: createHash('sha256').update(archive).digest('hex'),
    [Symbol.asyncDispose]: async () => void server.close(),
  }
}

test('a release with another checksum is refused and not unpacked, and a missing release is an error', async () => {
  await using dir = await folder()
  await using server = await releaseServer(dir.path)
  const from = (path: string, sha256: string) =>
    officialRelease({
      title: 'Served',
      version: '1.0.0',
      archive: { url: server.url + path, sha256 },
      member: 'served/served',
    })
  await mkdir(join(dir.path, 'work'))
  const target = join(dir.path, 'work/served')
  await assert.rejects(
    from('there', 'f'.repeat(64)).get(target, context(process.env)),
    /checksum is [0-9a-f]{64}, not fff/,
  )
  await assert.rejects(from('gone', server.sha256).get(target, context(process.env)), /it answered 404/)
  await assert.rejects(readFile(join(target, 'served')), { code: 'ENOENT' })
})

test('a release with the pinned checksum is unpacked beside the target', async () => {
  await using dir = await folder()
  await using server = await releaseServer(dir.path)
  const archive = { url: `${server.url}there`, sha256: server.sha256 }
  const release = officialRelease({ title: 'Served', version: '1.0.0', archive, member: 'served/served' })
  await mkdir(join(dir.path, 'work'))
  const path = await release.get(join(dir.path, 'work/archive'), context(process.env))
  assert.equal(await readFile(path, 'utf8'), 'the program')
})

test('a build without Go, or with a Go that fails, rejects with that reason', async () => {
  await using dir = await folder()
  const build = goBuild({
    title: 'Served',
    module: 'example.test/served',
    package: 'example.test/served/cmd',
    version: '1.2.3',
    takes: 'no time',
  })
  await assert.rejects(build.get(join(dir.path, 'served'), context({ PATH: dir.path })), /no Go on PATH/)
  await writeFile(
    join(dir.path, 'go'),
    '#!/bin/sh\n[ "$1" = env ] && echo go1.26.8 && exit 0\necho "no such module" >&2; exit 1\n',
  )
  await chmod(join(dir.path, 'go'), 0o755)
  await assert.rejects(
    build.get(join(dir.path, 'served'), context({ PATH: `${dir.path}:/bin` })),
    /no such module/,
  )
})

test('a Go build pins the version in a module of its own, whatever GOFLAGS say', async () => {
  await using dir = await folder()
  const script = `#!/bin/sh
[ "$1" = env ] && echo go1.26.8 && exit 0
cat go.mod > "${dir.path}/seen"
echo "$GOFLAGS $*" >> "${dir.path}/seen"
`
  await writeFile(join(dir.path, 'go'), script)
  await chmod(join(dir.path, 'go'), 0o755)
  const build = goBuild({
    title: 'Served',
    module: 'example.test/served',
    package: 'example.test/served/cmd',
    version: '1.2.3',
    takes: 'no time',
  })
  const env = { PATH: `${dir.path}:/bin:/usr/bin`, GOFLAGS: '-mod=vendor' }
  await build.get(join(dir.path, 'work/served'), context(env))
  const seen = await readFile(join(dir.path, 'seen'), 'utf8')
  assert.match(
    seen,
    /go 1\.26\n\nrequire example\.test\/served v1\.2\.3\n-mod=mod -buildvcs=false build .*example\.test\/served\/cmd/,
  )
})
