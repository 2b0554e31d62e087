import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { artifactsIn } from '../release/artifacts.ts'
import { cut, notesOf } from '../release/changelog.ts'
import { imageTags, placeOf } from '../release/destinations.ts'
import { giteaAt } from '../release/gitea.ts'
import { publish } from '../release/publish.ts'
import { giteaServer, type GiteaServer } from './release/gitea-server.ts'
import { smallDist, writeSums } from './release/small-dist.ts'

const root = join(import.meta.dirname, '..')
const version = '1.2.3'

test('every built file is in the release and in the registry of its kind, byte for byte, and public only when all are there', async (t) => {
  const dist = builtIn(t)
  await using server = await giteaServer()
  await release(server, dist)

  const built = new Map((await artifactsIn(dist)).map(({ name, sha256 }) => [name, sha256]))
  assert.equal(built.size, 11)
  assert.deepEqual(server.state.assets, Object.fromEntries(built))
  const digest = (name: string) => built.get(name) ?? assert.fail(name)
  assert.deepEqual(server.state.packages, {
    'alpine anchorage 1.2.3-r0 aarch64 stable': digest('anchorage_1.2.3-r0_aarch64.apk'),
    'alpine anchorage 1.2.3-r0 x86_64 stable': digest('anchorage_1.2.3-r0_x86_64.apk'),
    'debian anchorage 1.2.3 amd64 stable': digest('anchorage_1.2.3_amd64.deb'),
    'debian anchorage 1.2.3 arm64 stable': digest('anchorage_1.2.3_arm64.deb'),
    'rpm anchorage 1.2.3-1 aarch64 stable': digest('anchorage-1.2.3-1.aarch64.rpm'),
    'rpm anchorage 1.2.3-1 x86_64 stable': digest('anchorage-1.2.3-1.x86_64.rpm'),
    'generic anchorage 1.2.3 SHA256SUMS': digest('SHA256SUMS'),
    'generic anchorage 1.2.3 SHA256SUMS.sig': digest('SHA256SUMS.sig'),
    'generic anchorage 1.2.3 anchorage_1.2.3_linux_amd64.tar.gz': digest(
      'anchorage_1.2.3_linux_amd64.tar.gz',
    ),
    'generic anchorage 1.2.3 anchorage_1.2.3_linux_arm64.tar.gz': digest(
      'anchorage_1.2.3_linux_arm64.tar.gz',
    ),
    'generic anchorage 1.2.3 anchorage_1.2.3_sbom.cdx.json': digest('anchorage_1.2.3_sbom.cdx.json'),
  })
  assert.deepEqual(server.state.release, {
    tag: 'v1.2.3',
    notes: 'what is new',
    draft: false,
    prerelease: false,
  })
  assert.match(server.writes[0] ?? '', /^POST .*releases$/)
  assert.match(server.writes.at(-1) ?? '', /^PATCH .*releases\/7$/)
  assert.deepEqual(server.refused, [])
})

test('a second run writes nothing', async (t) => {
  const dist = builtIn(t)
  await using server = await giteaServer()
  await release(server, dist)
  server.writes.length = 0
  await release(server, dist)
  assert.deepEqual(server.writes, [])
})

test('after an interruption at any write, before or after it took effect, the next run finishes', async (t) => {
  const dist = builtIn(t)
  await using whole = await giteaServer()
  await release(whole, dist)
  const last = whole.writes.length
  for (const how of ['request lost', 'answer lost'] as const) {
    // Tries every third write, different ones for each kind of loss, and the last.
    const every = Array.from({ length: last }, (_, index) => index + 1)
    const tried = every.filter((at) => at === last || at % 3 === (how === 'request lost' ? 1 : 2))
    for (const at of tried) {
      await using server = await giteaServer()
      server.breakAt(at, how)
      await assert.rejects(release(server, dist), new RegExp(server.target.url))
      assert.equal(server.state.release?.draft ?? true, how === 'request lost' || at < last)
      await release(server, dist)
      assert.deepEqual(server.state, whole.state, `${how} at write ${at}`)
    }
  }
})

test('another build of a published version is refused, and nothing is overwritten', async (t) => {
  const dist = builtIn(t)
  await using server = await giteaServer()
  await release(server, dist)
  const before = structuredClone(server.state)
  writeFileSync(join(dist, 'anchorage_1.2.3_linux_amd64.tar.gz'), 'something else altogether')
  writeSums(dist)
  await assert.rejects(release(server, dist), /release v1\.2\.3 already has another SHA256SUMS.*next number/)
  // This also holds when only the registry still has the first build.
  server.state.release = null
  server.state.assets = {}
  await assert.rejects(release(server, dist), /generic registry already has another SHA256SUMS/)
  assert.deepEqual(server.state.packages, before.packages)
})

test('an rpm that Gitea has signed, which changes its digest, counts as uploaded', async (t) => {
  const dist = builtIn(t)
  await using server = await giteaServer()
  await release(server, dist)
  for (const key of Object.keys(server.state.packages))
    if (key.startsWith('rpm')) server.state.packages[key] = 'signed'
  await release(server, dist)
})

test('a pre-release is marked as one, and no upgrade installs it', async (t) => {
  assert.equal(
    placeOf('anchorage_1.3.0~rc.1_amd64.deb', '1.3.0-rc.1').path,
    'debian/pool/testing/main/upload',
  )
  assert.equal(placeOf('anchorage_1.3.0~rc.1_amd64.deb', '1.3.0-rc.1').version, '1.3.0~rc.1')
  assert.deepEqual(imageTags('Acme', '1.3.0-rc.1'), ['acme/anchorage:1.3.0-rc.1'])
  assert.deepEqual(imageTags('Acme', '1.3.0'), ['acme/anchorage:1.3.0', 'acme/anchorage:latest'])
  const dist = builtIn(t)
  await using server = await giteaServer()
  await release(server, dist, '1.3.0-rc.1')
  assert.equal(server.state.release?.prerelease, true)
  assert.equal(
    Object.keys(server.state.packages).some((key) => key.endsWith(' stable')),
    false,
  )
})

test('an invalid token is named as the reason, and never printed', async (t) => {
  const dist = builtIn(t)
  await using server = await giteaServer()
  await assert.rejects(release({ ...server, token: 'sesame' }, dist), (error: Error) => {
    assert.match(error.message, /401 .*GITEA_TOKEN is not valid/)
    return !error.message.includes('sesame')
  })
})

test('a redirect does not send the token to another host', async () => {
  const heard: unknown[] = []
  const elsewhere = createServer(
    (request, response) => (heard.push(request.headers.authorization), response.end('{}')),
  )
  const server = createServer((_, response) => response.writeHead(302, { location: at(elsewhere) }).end())
  for (const one of [elsewhere, server])
    await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve))
  const target = { url: at(server), owner: 'acme', repository: 'anchorage' }
  await assert.rejects(giteaAt(target, 'sesame', AbortSignal.timeout(5_000)).find('v1.2.3'), /redirect/)
  assert.deepEqual(heard, [])
  for (const one of [elsewhere, server]) one.close()
})

test('a file that is missing, changed or not listed in SHA256SUMS is not published', async (t) => {
  const dist = builtIn(t)
  const deb = join(dist, 'anchorage_1.2.3_amd64.deb')
  writeFileSync(join(dist, 'notes.txt'), '')
  await assert.rejects(artifactsIn(dist), /notes\.txt is in .*, but not in SHA256SUMS/)
  rmSync(join(dist, 'notes.txt'))
  appendFileSync(deb, 'x')
  await assert.rejects(
    artifactsIn(dist),
    /anchorage_1\.2\.3_amd64\.deb does not match its checksum in SHA256SUMS/,
  )
  rmSync(deb)
  await assert.rejects(artifactsIn(dist), /anchorage_1\.2\.3_amd64\.deb/)
})

test('the notes of a release are its section of the changelog, and a release needs changes', () => {
  const text = '# Changelog\n\n## Unreleased\n\n- Faster.\n\n## 1.2.2 (2026-01-01)\n\n- Slower.\n'
  const after = cut(text, '1.2.3', '2026-02-03')
  assert.equal(
    after,
    '# Changelog\n\n## Unreleased\n\n## 1.2.3 (2026-02-03)\n\n- Faster.\n\n## 1.2.2 (2026-01-01)\n\n- Slower.\n',
  )
  assert.equal(notesOf(after, '1.2.3'), '- Faster.')
  assert.equal(notesOf(after, '1.2'), null)
  assert.throws(() => cut(after, '1.2.4', '2026-02-03'), /nothing under "Unreleased"/)
  assert.throws(() => cut(text, '1.2.2', '2026-02-03'), /already has a section 1\.2\.2/)
})

test('a bump leads to a published release with its image, by the commands that a person runs', async (t) => {
  const checkout = checkoutIn(t)
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: checkout.dir })
  git('init', '-q')
  git('add', '.')
  git('commit', '-qm', 'all')
  const dist = builtIn(t)
  await using server = await giteaServer()
  const settings = {
    GITEA_URL: `${server.target.url}/`,
    GITEA_REPOSITORY: 'acme/anchorage',
    GITEA_USER: 'ada',
  }
  const where = ['--dist', dist]

  const older = await checkout.release(['--dry-run', ...where], settings)
  assert.match(older.said, /are not of version .*: build again/)
  const before = JSON.parse(readFileSync(join(checkout.dir, 'package.json'), 'utf8')).version
  const dry = await checkout.release(['--dry-run', '--dist', builtIn(t, before)], settings)
  assert.equal(dry.code, 0, dry.said)
  assert.match(
    dry.said,
    /anchorage_[\d.]+_amd64\.deb +0\.0 MB +→ http.*\/api\/packages\/acme\/debian\/pool\/stable\/main\/upload/,
  )
  assert.match(dry.said, /image +→ 127\.0\.0\.1:\d+\/acme\/anchorage:/)
  assert.match(dry.said, /to do before the release:\n- /)
  const early = await checkout.release(where, settings)
  assert.equal(early.code, 1)
  assert.match(
    early.said,
    /not released:\n- CHANGELOG\.md has no section.*\n- this commit has no tag v.*\n- GITEA_TOKEN is not set/,
  )

  assert.equal((await checkout.release(['--check'], settings)).code, 1)
  assert.equal((await checkout.release(['bump', 'next'], {})).code, 1)
  const bumped = await checkout.release(['bump', version], {})
  assert.equal(bumped.code, 0, bumped.said)
  for (const file of [
    'package.json',
    'package-lock.json',
    'CHANGELOG.md',
    'deploy/helm/anchorage/Chart.yaml',
  ])
    assert.match(readFileSync(join(checkout.dir, file), 'utf8'), /1\.2\.3/, file)
  git('commit', '-qam', version)
  git('tag', '-a', `v${version}`, '-m', version)
  assert.equal(server.writes.length, 0)

  assert.equal((await checkout.release(['--check'], {})).said, 'v1.2.3 can be released\n')
  const ready = await checkout.release(['--dry-run', '--json', ...where], settings)
  assert.deepEqual(JSON.parse(ready.said).problems, [])
  const published = await checkout.release(where, { ...settings, GITEA_TOKEN: server.token })
  assert.equal(published.code, 0, published.said)
  assert.match(published.said, /release v1\.2\.3 is published/)
  assert.equal(server.state.release?.draft, false)
  assert.ok(server.state.release?.notes.startsWith('- '))
  const host = new URL(server.target.url).host
  const names = `--tag ${host}/acme/anchorage:1.2.3 --tag ${host}/acme/anchorage:latest`
  assert.deepEqual(checkout.docker(), [
    `login ${host} --username ada --password-stdin ${server.token}`,
    `manifest inspect ${host}/acme/anchorage:1.2.3`,
    `buildx build --platform linux/amd64,linux/arm64 ${names} --push ${join(dist, 'image')}`,
  ])
})

/** A small `dist` that is removed after the test. */
function builtIn(t: TestContext, of = version): string {
  const dir = mkdtempSync(join(tmpdir(), 'anchorage-dist-'))
  t.after(() => rmSync(dir, { recursive: true }))
  smallDist(dir, of)
  return dir
}

async function release({ target, token }: Pick<GiteaServer, 'target' | 'token'>, dist: string, as = version) {
  const gitea = giteaAt(target, token, AbortSignal.timeout(30_000))
  const artifacts = await artifactsIn(dist)
  await publish(
    gitea,
    { version: as, notes: 'what is new', artifacts },
    async () => {},
    () => {},
  )
}

/** The files of this checkout that a release reads, in a folder of their own, with a docker that only records its calls. */
function checkoutIn(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), 'anchorage-checkout-'))
  t.after(() => rmSync(dir, { recursive: true }))
  for (const path of [
    'release',
    'package.json',
    'package-lock.json',
    'CHANGELOG.md',
    'deploy/helm/anchorage/Chart.yaml',
  ])
    cpSync(join(root, path), join(dir, path), { recursive: true })
  const home = join(dir, 'home')
  const noted = join(home, 'docker')
  writeFileSync(join(dir, '.gitignore'), 'home/\n')
  const docker = `#!/bin/sh\necho $@ $(cat) >> ${noted}\n[ "$1" != manifest ]\n`
  execFileSync('sh', ['-c', 'mkdir -p home/bin && cat > home/bin/docker && chmod +x home/bin/docker'], {
    cwd: dir,
    input: docker,
  })
  return {
    dir,
    docker: () => readFileSync(noted, 'utf8').trim().split('\n'),
    async release(args: string[], settings: Record<string, string>) {
      const env = { PATH: `${join(home, 'bin')}:${process.env['PATH']}`, HOME: home, ...settings }
      const child = spawn(process.execPath, [join(dir, 'release/main.ts'), ...args], { env })
      let said = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text))
      const [code] = await once(child, 'close')
      return { code, said }
    },
  }
}

function at(server: ReturnType<typeof createServer>): string {
  const address = server.address()
  assert.ok(address !== null && typeof address !== 'string')
  return `http://127.0.0.1:${address.port}`
}
