import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { main } from '../main.ts'

test('init-cluster makes a CA, a secret and a certificate for each node, and they match', async () => {
  await using it = await place()
  assert.equal(await it.run('--nodes', 'a.example,b=10.0.0.2+b.example'), 0)
  assert.deepEqual(await it.files(), [
    'a.example.key',
    'a.example.pem',
    'b.key',
    'b.pem',
    'ca.key',
    'ca.pem',
    'secret',
  ])
  const ca = new X509Certificate(await it.read('ca.pem'))
  const [a, b] = [
    new X509Certificate(await it.read('a.example.pem')),
    new X509Certificate(await it.read('b.pem')),
  ]
  assert.ok(a.verify(ca.publicKey) && b.verify(ca.publicKey))
  assert.equal(a.checkHost('a.example'), 'a.example')
  assert.equal(b.checkIP('10.0.0.2'), '10.0.0.2')
  assert.equal(b.checkHost('b'), undefined)
  for (const name of ['ca.key', 'a.example.key', 'b.key', 'secret'])
    assert.equal((await stat(join(it.dir, name))).mode & 0o777, 0o600, name)
})

test('init-cluster adds a node later, under the same CA and secret, and overwrites nothing', async () => {
  await using it = await place()
  await it.run('--nodes', 'a')
  const before = await Promise.all((await it.files()).map((name) => it.read(name)))
  assert.equal(await it.run('--nodes', 'a,b', '--json'), 0)
  assert.deepEqual(JSON.parse(it.said.at(-1) ?? ''), { dir: it.dir, made: ['b.pem', 'b.key'] })
  const after = await Promise.all(
    ['a.key', 'a.pem', 'ca.key', 'ca.pem', 'secret'].map((name) => it.read(name)),
  )
  assert.deepEqual(after, before)
  assert.ok(
    new X509Certificate(await it.read('b.pem')).verify(
      new X509Certificate(await it.read('ca.pem')).publicKey,
    ),
  )
})

test('init-cluster explains wrong arguments, and refuses a CA without its key or its certificate', async () => {
  await using it = await place()
  for (const list of ['', 'a,,b', 'a,a', 'a=x y', '../a', 'ca'])
    assert.notEqual(await it.run('--nodes', list), 0, list)
  assert.equal(await it.run('--nodes', 'a'), 0)
  await rm(join(it.dir, 'ca.key'))
  assert.equal(await it.run('--nodes', 'b'), 1)
  assert.match(it.said.join(''), /one of ca.pem and ca.key/)
})

async function place() {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-init-'))
  const said: string[] = []
  const say = (text: string): void => void said.push(text)
  return {
    dir,
    said,
    run: (...argv: string[]) =>
      main(['admin', 'init-cluster', '--out', dir, ...argv], {
        env: {},
        out: say,
        err: say,
        terminal: null,
        signal: new AbortController().signal,
      }),
    files: async () => (await readdir(dir)).sort(),
    read: (name: string) => readFile(join(dir, name), 'utf8'),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  }
}
