import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, generateKeyPairSync, verify } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { artifactsIn } from '../../release/artifacts.ts'
import { giteaAt } from '../../release/gitea.ts'
import { publish } from '../../release/publish.ts'
import { patience } from '../../testing/patience.ts'
import { giteaServer } from '../release/gitea-server.ts'
import { toolReader } from '../release/package-readers.ts'
import { debianRoot, installedIn } from './debian-root.ts'
import { servesAPin } from './serves-a-pin.ts'

const execute = promisify(execFile)
const repo = join(import.meta.dirname, '../..')
const { version }: { version: string } = JSON.parse(await readFile(join(repo, 'package.json'), 'utf8'))
const key = generateKeyPairSync('ed25519')

/** Everything that a release has, built once for all tests of this file. */
let work = ''
const dist = (name = ''): string => join(work, 'dist', name)

before(async () => {
  work = await mkdtemp(join(tmpdir(), 'anchorage-packages-'))
  await build(dist())
})
after(() => rm(work, { recursive: true, force: true }))

async function build(out: string, ...args: string[]): Promise<void> {
  const pem = key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const env = { ...process.env, SIGNING_KEY: pem, SOURCE_DATE_EPOCH: '1800000000' }
  await execute(process.execPath, [join(repo, 'packaging/main.ts'), '--out', out, ...args], { env })
}

async function run(command: string, ...args: string[]): Promise<string> {
  return (await execute(command, args, { maxBuffer: 64 * 1024 * 1024 })).stdout
}

async function digests(dir: string): Promise<Map<string, string>> {
  const files = (await readdir(dir, { withFileTypes: true })).filter((entry) => entry.isFile())
  const pairs = files.map(async ({ name }): Promise<[string, string]> => {
    const hash = createHash('sha256').update(await readFile(join(dir, name)))
    return [name, hash.digest('hex')]
  })
  return new Map(await Promise.all(pairs))
}

test('a build makes every package for both architectures, with the file names that package tools expect', async () => {
  const made = [...(await digests(dist())).keys()].sort()
  assert.deepEqual(made, [
    'SHA256SUMS',
    'SHA256SUMS.sig',
    `anchorage-${version}-1.aarch64.rpm`,
    `anchorage-${version}-1.x86_64.rpm`,
    `anchorage_${version}-r0_aarch64.apk`,
    `anchorage_${version}-r0_x86_64.apk`,
    `anchorage_${version}_amd64.deb`,
    `anchorage_${version}_arm64.deb`,
    `anchorage_${version}_linux_amd64.tar.gz`,
    `anchorage_${version}_linux_arm64.tar.gz`,
    `anchorage_${version}_sbom.cdx.json`,
  ])
  const image = (await readdir(dist('image'))).sort()
  assert.deepEqual(image, ['Dockerfile', 'anchorage-amd64.apk', 'anchorage-arm64.apk'])
})

test('SHA256SUMS names every file, and is signed with the key', async () => {
  const sums = await readFile(dist('SHA256SUMS'))
  const named = new Map(
    sums
      .toString()
      .trim()
      .split('\n')
      .map((line): [string, string] => [line.slice(66), line.slice(0, 64)]),
  )
  const found = await digests(dist())
  found.delete('SHA256SUMS')
  found.delete('SHA256SUMS.sig')
  assert.deepEqual(named, found)
  const signature = await readFile(dist('SHA256SUMS.sig'))
  assert.ok(verify(null, sums, key.publicKey, signature))
  assert.ok(!verify(null, Buffer.concat([sums, Buffer.from('x')]), key.publicKey, signature))
})

test('a second build of the same source has the same digests', async () => {
  const again = join(work, 'again')
  await build(again, '--arch', 'amd64')
  const [first, second] = [await digests(dist()), await digests(again)]
  for (const [name, digest] of second) {
    if (!name.startsWith('SHA256SUMS')) assert.equal(digest, first.get(name), name)
  }
  assert.equal(second.size, 7)
  await rm(again, { recursive: true })
})

test('the packages for arm64 contain arm64 programs', async () => {
  const [name] = [`anchorage_${version}_linux_arm64`]
  await run('tar', '-xzf', dist(`${name}.tar.gz`), '-C', work, `${name}/bin`)
  for (const program of ['node', 'nats-server']) {
    const header = (await readFile(join(work, name, 'bin', program))).subarray(0, 20)
    // e_machine of an ELF header: 183 is AArch64 (elf(5)).
    assert.equal(header.readUInt16LE(18), 183, program)
  }
  await rm(join(work, name), { recursive: true })
})

test('the archive runs wherever it is unpacked', async () => {
  const name = `anchorage_${version}_linux_amd64`
  await run('tar', '-xzf', dist(`${name}.tar.gz`), '-C', work)
  const anchorage = join(work, name, 'bin/anchorage')
  assert.equal(await run(anchorage, '--version'), `${version}\n`)
  const program = join(work, name, 'program')
  const parts = (await readdir(program)).filter((file) => file !== 'anchorage.js')
  const files = parts.map((file) => join(program, file))
  const importAll = 'for (const file of process.argv.slice(1)) await import(file)'
  await run(join(work, name, 'bin/node'), '--input-type=module', '--eval', importAll, ...files)
  assert.match(
    await run(anchorage, 'config', 'print', '--config', join(work, name, 'anchorage.yaml')),
    /data\.dir/,
  )
})

test('the bill of materials names the components, and their licences are included', async () => {
  const bill: { components: { purl: string; name: string }[] } = JSON.parse(
    await readFile(dist(`anchorage_${version}_sbom.cdx.json`), 'utf8'),
  )
  const names = bill.components.map(({ name }) => name)
  for (const name of ['fastify', 'pg', 'undici', 'node', 'github.com/nats-io/nats-server/v2'])
    assert.ok(names.includes(name), name)
  // These are needed to build it, and are not in the package.
  for (const name of ['esbuild', 'typescript', 'oidc-provider', 'fast-check'])
    assert.ok(!names.includes(name), name)
  assert.equal(new Set(bill.components.map(({ purl }) => purl)).size, names.length)
})

test('a Gitea accepts every file, and each package contains what its name says', async () => {
  await using server = await giteaServer(toolReader(work))
  const artifacts = await artifactsIn(dist())
  const gitea = giteaAt(server.target, server.token, AbortSignal.timeout(patience.longMs))
  await publish(
    gitea,
    { version, notes: 'notes', artifacts },
    async () => {},
    () => {},
  )
  const digest = new Map(artifacts.map(({ name, sha256 }) => [name, sha256]))
  assert.equal(Object.keys(server.state.assets).length, 11)
  for (const [key, name] of [
    [`debian anchorage ${version} amd64 stable`, `anchorage_${version}_amd64.deb`],
    [`debian anchorage ${version} arm64 stable`, `anchorage_${version}_arm64.deb`],
    [`rpm anchorage ${version}-1 x86_64 stable`, `anchorage-${version}-1.x86_64.rpm`],
    [`rpm anchorage ${version}-1 aarch64 stable`, `anchorage-${version}-1.aarch64.rpm`],
    [`alpine anchorage ${version}-r0 x86_64 stable`, `anchorage_${version}-r0_x86_64.apk`],
    [`alpine anchorage ${version}-r0 aarch64 stable`, `anchorage_${version}-r0_aarch64.apk`],
  ] as const)
    assert.equal(server.state.packages[key], digest.get(name), key)
  assert.deepEqual(server.refused, [])
})

test("the apk contains no Node, since npm's Node needs glibc, and depends on Alpine's", async () => {
  const apk = dist(`anchorage_${version}-r0_x86_64.apk`)
  const files = (await run('tar', '-tzf', apk)).split('\n')
  assert.ok(files.includes('usr/lib/anchorage/bin/nats-server'))
  assert.ok(files.includes('usr/bin/anchorage'))
  assert.ok(!files.includes('usr/lib/anchorage/bin/node'))
  assert.ok(!files.some((file) => file.includes('systemd')))
  assert.ok(files.includes('.post-install'))
  const info = await run('tar', '-xzOf', apk, '.PKGINFO')
  assert.match(info, /^depend = nodejs>=24$/m)
  assert.match(info, new RegExp(`^pkgver = ${version}-r0$`, 'm'))
})

test('the rpm is valid, and its scriptlets do the right things at install, upgrade and removal', async () => {
  const rpm = dist(`anchorage-${version}-1.x86_64.rpm`)
  const query = (...args: string[]): Promise<string> => run('rpm', '-qp', ...args, rpm)
  assert.match(await run('rpm', '-K', '--nosignature', rpm), /digests OK/)
  const files = (await query('--list')).split('\n')
  for (const file of [
    '/usr/bin/anchorage',
    '/usr/lib/anchorage/bin/node',
    '/usr/lib/systemd/system/anchorage.service',
  ])
    assert.ok(files.includes(file), file)
  assert.equal(await query('--configfiles'), '/etc/anchorage/anchorage.yaml\n')
  assert.match(await query('--scripts'), /postinstall[^]*preuninstall[^]*postuninstall/)

  // rpm's own tools install it into a root that is not a Fedora, so they do not check for dependencies that Fedora's packages would
  // provide.
  await using root = await debianRoot()
  const carry = (...args: string[]): Promise<string> =>
    run('rpm', '--root', root.path, '--dbpath', '/var/lib/rpm', ...args)
  await carry('--install', '--nodeps', rpm)
  assert.match(await root.sh('getent passwd anchorage anchorage-kubo'), /^anchorage:[^]*^anchorage-kubo:/m)
  assert.equal(await root.sh('stat -c "%a %U %G" /etc/anchorage/anchorage.yaml'), '640 root anchorage\n')
  assert.equal(await root.sh('anchorage --version'), `${version}\n`)
  await root.sh('echo "pin.maxAge: 6h" >> /etc/anchorage/anchorage.yaml')
  await carry('--upgrade', '--nodeps', '--replacepkgs', rpm)
  assert.match(await root.sh('tail -1 /etc/anchorage/anchorage.yaml'), /pin.maxAge/)
  await carry('--erase', 'anchorage')
  assert.ok(!existsSync(join(root.path, 'usr/lib/anchorage')))
  assert.match(await root.sh('cat /etc/anchorage/anchorage.yaml.rpmsave'), /pin.maxAge: 6h/)
})

test('on a bare Debian the deb installs, says what is missing, is upgraded, and is removed', async (t) => {
  await using root = await debianRoot()
  const deb = await root.give(dist(`anchorage_${version}_amd64.deb`))
  await root.sh(`dpkg --install ${deb}`)

  await t.test('it makes its users, protects its config from others, and starts nothing', async () => {
    assert.match(await root.sh('getent passwd anchorage'), /:\/var\/lib\/anchorage:\/usr\/sbin\/nologin/)
    assert.equal(await root.sh('stat -c "%a %U %G" /etc/anchorage/anchorage.yaml'), '640 root anchorage\n')
    assert.equal(await root.sh('anchorage --version'), `${version}\n`)
    assert.equal(await root.sh('find /etc/systemd -name "anchorage*"'), '')
  })

  await t.test('it says what is missing in its config', async () => {
    for (const verb of ['config check', 'doctor']) {
      const { code, said } = await root.outcome(`anchorage ${verb}`)
      assert.equal(code, 1, said)
      assert.match(said, /database\.url/)
    }
  })

  await t.test('the packaged program serves a pin, end to end', () => servesAPin(installedIn(root)))

  await t.test('the systemd units are valid, and systemd rates their exposure as low', async () => {
    const units = ['anchorage', 'anchorage-kubo'].map((name) => `/usr/lib/systemd/system/${name}.service`)
    // A wrong line in a unit is printed, while the exit code is still 0.
    assert.equal(await root.sh(`systemd-analyze verify --man=no ${units.join(' ')}`), '')
    for (const unit of units) await root.sh(`systemd-analyze security --offline=true --threshold=30 ${unit}`)
    await assert.rejects(root.sh(`systemd-analyze security --offline=true --threshold=5 ${units[0]}`))
  })

  await t.test('an upgrade keeps a changed config', async () => {
    await root.sh('echo "pin.maxAge: 6h" >> /etc/anchorage/anchorage.yaml')
    await root.sh(`rm -rf /tmp/next && dpkg-deb --raw-extract ${deb} /tmp/next
        sed -i 's/^Version: .*/Version: 999.0.0/' /tmp/next/DEBIAN/control
        echo '# an option of the next version' >> /tmp/next/etc/anchorage/anchorage.yaml
        dpkg-deb -Znone --build /tmp/next /tmp/next.deb`)
    await root.sh('dpkg --force-confold --install /tmp/next.deb')
    assert.match(await root.sh('dpkg-query --show anchorage'), /999\.0\.0/)
    assert.match(await root.sh('tail -1 /etc/anchorage/anchorage.yaml'), /pin\.maxAge: 6h/)
    assert.match(await root.sh('tail -1 /etc/anchorage/anchorage.yaml.dpkg-dist'), /next version/)
    assert.equal(await root.sh('stat -c "%a %U %G" /etc/anchorage/anchorage.yaml'), '640 root anchorage\n')
  })

  await t.test('removal leaves its config; a purge leaves only files that are not its own', async () => {
    await root.sh('touch /var/lib/anchorage/stream')
    await root.sh('dpkg --remove anchorage')
    await root.sh('test -e /etc/anchorage/anchorage.yaml && test -e /var/lib/anchorage/stream')
    assert.match(await root.sh('dpkg --purge anchorage'), /\/etc\/anchorage contains files of yours/)
    assert.equal(await root.sh('ls /etc/anchorage'), 'master.key\n')
    assert.equal(
      await root.sh('find / -xdev -path /tmp -prune -o -name "*anchorage*" -print'),
      '/etc/anchorage\n',
    )
  })
})
