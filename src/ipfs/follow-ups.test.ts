import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { followUps } from './follow-ups.ts'

const runbook = readFileSync(new URL('../../docs/operate.md', import.meta.url), 'utf8')
/** The settings that the runbook tells operators to make. */
const told = {
  HTTPRetrieval: {
    Enabled: JSON.parse(/config --json HTTPRetrieval\.Enabled (\S+)/.exec(runbook)?.[1] ?? 'null'),
  },
  Swarm: {
    AddrFilters: JSON.parse(/config --json Swarm\.AddrFilters '([^']+)'/.exec(runbook)?.[1] ?? 'null'),
  },
}

test('a Kubo fresh from `ipfs init` may go into private networks on its own; one set up by the runbook does not', () => {
  const fresh = { Swarm: { AddrFilters: null }, HTTPRetrieval: {} }
  const [swarm, http, ...more] = followUps(fresh)
  assert.match(swarm ?? '', /AddrFilters .*10\.0\.0\.0\/8.*169\.254\.0\.0\/16.*fe80::\/10/)
  assert.match(http ?? '', /HTTPRetrieval is on/)
  assert.deepEqual(more, [])
  assert.deepEqual(followUps({}), followUps(fresh))
  assert.deepEqual(followUps(told), [])
})

test('each open network is named, and a wider filter covers the networks within it', () => {
  const all: string[] = told.Swarm.AddrFilters
  const without = (text: string) => ({
    ...told,
    Swarm: { AddrFilters: all.filter((each) => !each.includes(text)) },
  })
  assert.deepEqual(followUps(without('192.168')), ['Swarm.AddrFilters does not cover 192.168.0.0/16'])
  assert.deepEqual(followUps(without('fc00')), ['Swarm.AddrFilters does not cover fc00::/7'])
  const wide = ['/ip4/0.0.0.0/ipcidr/0', '/ip6/::/ipcidr/0']
  assert.deepEqual(followUps({ ...told, Swarm: { AddrFilters: wide } }), [])
  const narrow = ['/ip4/10.0.0.0/ipcidr/16', '/ip4/10.0.0.1/tcp/1', 'x', '/ip4/999.0.0.0/ipcidr/8', 5]
  assert.match(followUps({ ...told, Swarm: { AddrFilters: narrow } })[0] ?? '', /cover 10\.0\.0\.0\/8, /)
})
