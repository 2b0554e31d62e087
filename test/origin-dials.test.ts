// A world of its own, in a network namespace where every address leads to loopback.
import { strict as assert } from 'node:assert'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import type { Report } from './origin-dials/inside.ts'

const run = promisify(execFile)
/** Options for a network namespace; a user who is not root also needs a user namespace. */
const unshare =
  process.getuid?.() === 0 ? ['--net'] : ['--user', '--map-current-user', '--keep-caps', '--net']
/** Routes every address to loopback: no packet leaves this machine, and every dial arrives. */
const network =
  'ip link set lo up && ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo'
const whyNot = await withoutNetworks()

suite('origins that a stranger gives', { skip: whyNot }, () => {
  let report: Report

  before(async () => {
    const program = [process.execPath, join(import.meta.dirname, 'origin-dials/inside.ts')]
    const { stdout } = await run('unshare', [
      ...unshare,
      'sh',
      '-c',
      `${network} && exec "$@"`,
      'sh',
      ...program,
    ])
    report = JSON.parse(stdout)
  })

  test('public addresses are dialled, exactly those that were checked', () => {
    const { origins, forPins } = report
    const dialled = origins
      .filter(({ may }) => may === 'be dialled')
      .map(({ text, port }) => [hostOf(text), forPins[port]])
    assert.deepEqual(dialled, [
      ['/ip4/8.8.8.8', ['8.8.8.8']],
      ['/ip6/2606:4700::1111', ['2606:4700::1111']],
      ['/dns4/public.test', ['8.8.4.4']],
      ['/dns4/both.test', ['8.8.4.4']],
      ['/dns4/turns.test', ['8.8.4.4']],
    ])
  })

  test('loopback, private, link-local, metadata, multicast, IPv4 within IPv6, names that resolve to these, and files are never dialled', () => {
    const may = new Set(
      report.origins.filter(({ may }) => may === 'be dialled').map(({ port }) => String(port)),
    )
    const others = Object.entries(report.forPins).filter(([where]) => !may.has(where))
    const named = others.map(
      ([where, at]) => `${report.origins.find(({ port }) => String(port) === where)?.text ?? where}: ${at}`,
    )
    assert.deepEqual(named, [])
  })

  test('every pin becomes pinned, whatever its origins', () => {
    assert.ok(report.statuses.length >= 3)
    assert.deepEqual(new Set(report.statuses), new Set(['pinned']))
  })

  test('the same Kubo dials those addresses when it is asked to, and the test sees it', () => {
    const unseen = report.origins.filter(
      ({ reachable, port }) => reachable && report.byKubo[port] === undefined,
    )
    assert.deepEqual(
      unseen.map(({ text }) => text),
      [],
    )
  })
})

function hostOf(origin: string): string {
  return origin.split('/').slice(0, 3).join('/')
}

/** Why this machine cannot make a network namespace; false when it can. */
async function withoutNetworks(): Promise<string | false> {
  try {
    await run('unshare', [...unshare, 'sh', '-c', network])
    return false
  } catch (error) {
    return `needs unshare, ip and leave to make a network: ${String(error).split('\n')[0]}`
  }
}
