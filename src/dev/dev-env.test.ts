import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { keepEnvFile, shellExports } from './dev-env.ts'

test('a shell that sources the file exports every value, whatever characters it holds', () => {
  const values = { PLAIN: '1', ODD: `it's "$HOME" \`x\`\n\\ & ;`, EMPTY: '' }
  const script = `${shellExports(values)}\nexec env -0`
  const seen = execFileSync('/bin/sh', ['-c', script], { env: {}, encoding: 'utf8' }).split('\0')
  for (const [name, value] of Object.entries(values)) assert.ok(seen.includes(`${name}=${value}`), name)
})

test('the file is private, follows its values, and is complete whenever it is read', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-env-'))
  const path = join(dir, 'dev.env')
  let pid = '1'
  {
    await using _ = await keepEnvFile(
      path,
      async () => ({ PID: pid, LONG: 'x'.repeat(100_000) }),
      (error) => assert.fail(String(error)),
    )
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    pid = '2'
    for (let text = ''; !text.startsWith(`export PID='2'`); await sleep(1)) {
      text = await readFile(path, 'utf8')
      assert.ok(text.endsWith("x'\n"))
    }
  }
  pid = '3'
  await sleep(300)
  assert.match(await readFile(path, 'utf8'), /PID='2'/)
  await rm(dir, { recursive: true })
})
