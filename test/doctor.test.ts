import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../testing/settle.ts'
import { World } from '../testing/world/world.ts'

interface Finding {
  check: string
  state: 'ok' | 'warn' | 'fail' | 'skip'
  says: string
  advice: string | null
}

test('doctor finds nothing wrong beside a healthy node, and reports each server that is down', async () => {
  await using world = await World.start({ restartAfter: 0 })
  await world.well()
  const whole = await doctor(world)
  assert.equal(whole.code, 0)
  const notOk = whole.findings.filter(({ state }) => state !== 'ok').map(({ check, state }) => [check, state])
  assert.deepEqual(notOk, [['certificates', 'skip']])
  const looked = whole.findings.map(({ check }) => check)
  for (const check of ['config', 'secrets', 'node', 'disk', 'http.listen', 'nats.clientPort', 'clock'])
    assert.ok(looked.includes(check), check)
  for (const check of [
    'postgres',
    'postgres orgs',
    'nats publish',
    'nats quorum',
    'nats sync',
    'kubo peer',
    'kubo rpc',
  ])
    assert.ok(looked.includes(check), check)

  await world.kill('kubo')
  const ill = await until('the node complains', async () => {
    const found = await doctor(world)
    return state(found.findings, 'node') === 'fail' && found
  })
  assert.equal(ill.code, 1)
  assert.equal(state(ill.findings, 'kubo'), 'fail')
  assert.match(adviceOf(ill.findings, 'kubo'), /kubo\.rpc/)

  // The node's nats-server keeps running.
  await world.kill('node')
  const dead = await doctor(world)
  assert.deepEqual(
    ['node', 'nats', 'http.listen', 'nats.clientPort', 'postgres'].map((check) =>
      state(dead.findings, check),
    ),
    ['skip', 'skip', 'ok', 'ok', 'ok'],
  )
  const port = dead.findings.find(({ check }) => check === 'nats.clientPort')
  assert.match(port?.says ?? '', /the next start of the node ends it/)

  await world.revive(1)
  await world.well()
  await world.kill('nats')
  const deaf = await until('the port of nats-server is free', async () => {
    const found = await doctor(world)
    return state(found.findings, 'nats.clientPort') === 'fail' && found
  })
  assert.equal(deaf.code, 1)
  assert.deepEqual(
    ['nats', 'kubo', 'http.listen', 'postgres way'].map((check) => state(deaf.findings, check)),
    ['fail', 'ok', 'ok', 'ok'],
  )
  assert.match(adviceOf(deaf.findings, 'nats'), /log of the node/)
})

function state(findings: Finding[], check: string): string {
  return findings.find((finding) => finding.check === check)?.state ?? `no result for ${check}`
}

function adviceOf(findings: Finding[], check: string): string {
  return findings.find((finding) => finding.check === check)?.advice ?? ''
}

/** Runs doctor as a process of its own, with the node's config. */
async function doctor(world: World): Promise<{ code: number; findings: Finding[] }> {
  const env = { ...process.env, ANCHORAGE_CONFIG: await world.value('NODE_CONFIG_1') }
  const main = join(import.meta.dirname, '../src/cli/main.ts')
  return await new Promise((resolve) => {
    execFile(process.execPath, [main, 'doctor', '--json'], { env }, (error, stdout) => {
      const said: { findings: Finding[] } = JSON.parse(stdout)
      resolve({ code: error === null ? 0 : Number(error.code), findings: said.findings })
    })
  })
}
