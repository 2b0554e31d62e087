import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig, type ConfigInput } from './config.ts'
import { masterKey } from './master-key.ts'

const bytes = Buffer.alloc(32, 0xfb)
const invalid = (message: RegExp) => ({ code: 'invalid', message })

test('the master key is 32 bytes, in either base64, from the option or from a file', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-key-'))
  const file = join(dir, 'key')
  await writeFile(file, `${bytes.toString('base64')}\n`)
  const sources: ConfigInput[] = [
    { env: { ANCHORAGE_AUTH_MASTER_KEY: bytes.toString('base64') } },
    { env: { ANCHORAGE_AUTH_MASTER_KEY: bytes.toString('base64url') } },
    { argv: ['--auth.master-key-file', file], env: {} },
  ]
  for (const source of sources) assert.deepEqual(Buffer.from(await masterKey(loadConfig(source))), bytes)
  await rm(dir, { recursive: true })
})

test('a master key of another length or alphabet is refused, and not shown', async () => {
  for (const given of [
    'dG9vIHNob3J0',
    bytes.toString('hex'),
    `${bytes.toString('base64')}AAAA`,
    '%'.repeat(43),
  ]) {
    const config = loadConfig({ env: { ANCHORAGE_AUTH_MASTER_KEY: given } })
    await assert.rejects(masterKey(config), (error: Error) => !error.message.includes(given))
    await assert.rejects(masterKey(config), invalid(/must be 32 bytes in base64/))
  }
})

test('without a master key, or with a file that cannot be read, the error says what to do', async () => {
  await assert.rejects(masterKey(loadConfig({ env: {} })), invalid(/openssl rand -base64 32/))
  const config = loadConfig({ argv: ['--auth.master-key-file', '/no/such/key'], env: {} })
  await assert.rejects(masterKey(config), invalid(/\/no\/such\/key/))
})
