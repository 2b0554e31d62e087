import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { before, test } from 'node:test'
import { patience } from '../../testing/patience.ts'
import { numberOf } from '../core/epoch.ts'
import { mintId, uuidOf, type NodeId } from '../core/ids.ts'
import { main } from './main.ts'
import type { Io } from './verb.ts'
import { fakeReport } from '../../testing/fakes/node.ts'
import { nextEpoch } from '../../testing/database/next-epoch.ts'
import { testStore } from '../../testing/database/test-store.ts'

const { database, store, system } = await testStore()
const nodes: NodeId[] = []

before(async () => {
  for (const name of ['anchor-1', 'anchor-2', 'anchor-3']) {
    const { nodeId } = await store.nodes.boot(name)
    nodes.push(nodeId)
    await system.query('update nodes set capacity_bytes = $2, used_bytes = 0 where id = $1', [
      uuidOf(nodeId),
      2 ** 40,
    ])
  }
  await report(0, { leader: { epoch: numberOf(await nextEpoch(store)) } })
  for (const i of [1, 2]) await report(i)
})

test('nodes are listed as a table or as JSON, and one node is shown in full, by name or by TypeID', async () => {
  const listed = await anchorage('nodes')
  assert.equal(listed.code, 0, listed.stderr)
  assert.match(listed.stdout, /^NODE +ID +STATE +LIVE +ZONE +LEADS +PLACEMENTS +DISK +VERSION\n/)
  assert.match(listed.stdout, new RegExp(`^anchor-1 +${nodes[0]} +active +live +epoch 1 `, 'm'))
  const { results } = await json('nodes')
  assert.deepEqual(
    results.map(({ id, leads, capacityBytes }: Record<string, unknown>) => [id, leads, capacityBytes]),
    nodes.map((id, i) => [id, i === 0 ? 1 : null, 2 ** 40]),
  )
  const named = await json('nodes', 'anchor-2')
  assert.equal(named.id, nodes[1])
  assert.equal((await json('nodes', String(nodes[1]))).name, 'anchor-2')
  assert.match(
    (await anchorage('nodes', 'anchor-2')).stdout,
    /^worker +repair: ran .* ago, took 12ms \(added 3\)$/m,
  )
})

test('the list of nodes fits a terminal of 80 columns, states have colours there, and --wide shows all columns', async () => {
  for (const [columns, head, left] of [
    [80, /^NODE +STATE +LIVE +ZONE +LEADS +PLACEMENTS +DISK +VERSION\n/, 'one column is'],
    [60, /^NODE +STATE +LIVE +PLACEMENTS +DISK\n/, '4 columns are'],
    [40, /^NODE +STATE +LIVE\n/, '6 columns are'],
  ] as const) {
    const fit = await run(['nodes'], { terminal: { columns } })
    assert.match(fit.stdout, head)
    for (const line of plain(fit.stdout).split('\n')) assert.ok(line.length <= columns, line)
    assert.match(fit.stdout, /\u001b\[32mlive\u001b\[39m/)
    assert.equal(fit.stderr, `${left} left out; --wide shows all\n`)
  }
  const wide = await run(['--no-color', 'nodes', '--wide'], { terminal: { columns: 80 } })
  assert.equal(wide.stdout, (await anchorage('nodes')).stdout)
  assert.equal(wide.stderr, '')
})

test('--watch shows a state repeatedly until Ctrl-C, which is not a failure', async () => {
  for (const argv of [
    ['status'],
    ['nodes'],
    ['nodes', 'anchor-1'],
    ['orgs'],
    ['reconcile'],
    ['cluster-presences'],
    ['cache-stats'],
  ]) {
    const stop = new AbortController()
    let stdout = ''
    const out = (text: string): void => {
      stdout += text
      stop.abort()
    }
    const { code, stderr } = await run([...argv, '--watch', '--json'], { out, signal: stop.signal })
    assert.deepEqual([argv, code, stderr], [argv, 0, ''])
    assert.ok(JSON.parse(stdout))
  }
})

test('status shows the whole cluster on one screen, with everything that needs an operator', async () => {
  const fine = await anchorage('status')
  assert.equal(fine.code, 0, fine.stderr)
  assert.match(
    fine.stdout,
    /^NODE +STATE +LIVE +LEADS +PLACEMENTS +DISK\nanchor-1 +active +live +epoch 1 +0 \(0 B\) +/,
  )
  assert.match(fine.stdout, /^pins +0 queued, 0 pinning, 0 pinned, 0 failed$/m)
  assert.match(fine.stdout, /\nnothing needs an operator\n$/)
  await placed(nodes[2], 2, 3)
  await report(1, { reconcileBlocked: 250, reasons: [{ what: 'disk', reason: 'it is 97% full' }] })
  await system.query(`update nodes set last_seen = now() - interval '1 hour' where name = 'anchor-3'`)
  await system.query('update contents set unsettled = true')
  const status = await json('status')
  assert.deepEqual(status.pins, { queued: 2, pinning: 0, pinned: 0, failed: 0 })
  assert.deepEqual(status.copies, { nodeDown: 2, repairing: 0, failed: 0 })
  assert.deepEqual([status.unsettled, status.short.length], [2, 2])
  assert.deepEqual([status.short[0].wanted, status.short[0].pinned], [3, 0])
  const shown = await anchorage('status')
  assert.match(shown.stdout, /^missing +copies: 2 on silent nodes, 0 being made again, 0 failed$/m)
  assert.match(shown.stdout, /^ +bafk\S+: 0 of 3$/m)
  const needs = shown.stdout.slice(shown.stdout.indexOf('needs an operator:'))
  assert.match(
    needs,
    /^ {2}anchor-2: its reconciler stopped before removing 250 pins \(.*reconcile anchor-2 --confirm\)$/m,
  )
  assert.match(needs, /^ {2}anchor-2: disk: it is 97% full$/m)
  assert.match(needs, /^ {2}anchor-3: silent for 3\d{3} s: .*\(anchorage admin forget anchor-3\)$/m)
  await system.query('update nodes set last_seen = now()')
  await report(1)
  await system.query('delete from placements')
  await system.query('update contents set unsettled = false')
})

test('presences and caches are shown as the nodes last reported them', async () => {
  const presences = await anchorage('cluster-presences')
  assert.match(presences.stdout, /^anchor-1 +live +\S+ +epoch 1 +anchor-2 400ms, anchor-3 not heard$/m)
  const { results } = await json('cluster-presences')
  assert.deepEqual(results[0].heard, [{ id: nodes[1], name: 'anchor-2', agoMs: 400 }])
  const caches = await anchorage('cache-stats')
  assert.match(caches.stdout, /^anchor-1 +nodes +3 +90 \(90%\) +10 +2 +1 +7$/m)
  assert.deepEqual((await json('cache-stats')).results[2].caches[0].cache, 'nodes')
})

test('drain --no-wait starts a drain, a second drain changes nothing, and uncordon ends it', async () => {
  await placed(nodes[1], 3)
  const begun = await anchorage('drain', 'anchor-2', '--no-wait')
  assert.equal(begun.code, 0, begun.stderr)
  assert.match(begun.stdout, /^draining, 3 left \(3.0 KiB\), 3 waiting\n$/)
  assert.match(
    begun.stderr,
    /^the nodes could not be notified; .* within seconds \(no nats-server has run in .*\)\n$/,
  )
  const again = await json('drain', String(nodes[1]), '--no-wait')
  assert.deepEqual(again, {
    id: nodes[1],
    name: 'anchor-2',
    state: 'draining',
    left: 3,
    moving: 0,
    waiting: 3,
    removing: 0,
    bytesLeft: 3072,
    waits: null,
  })
  const alone = await json('nodes', 'anchor-2')
  const among = (await json('nodes')).results.find(({ name }: { name: string }) => name === 'anchor-2')
  assert.equal(alone.drain.left, 3)
  for (const { placements, placementBytes } of [alone, among])
    assert.deepEqual([placements, placementBytes], [3, 3072], 'the same in both')
  const back = await anchorage('uncordon', 'anchor-2')
  assert.equal(back.stdout, `anchor-2 (${nodes[1]}) is active\n`)
  const drains = await system.query(`select actor from audit_log where action = 'node.drain'`)
  assert.equal(drains.rowCount, 1)
  assert.match(drains.rows[0].actor, /^operator:.+@.+/)
})

test('a drain is watched until the node has nothing left', async () => {
  const { watching, shown } = watched('drain', 'anchor-2')
  await until(shown)
  await system.query(`update nodes set state = 'drained' where name = 'anchor-2'`)
  const { code, stdout } = await watching
  assert.equal(code, 0)
  assert.match(stdout, /^anchor-2: draining, 3 left/)
  assert.match(stdout, /anchor-2: drained: no content is left on it\n$/)
  assert.equal((await anchorage('drain', 'anchor-2')).code, 0, 'and is over at once when it is drained')
  await anchorage('uncordon', 'anchor-2')
})

test('Ctrl-C stops watching, and the output says that the drain continues and how to end it', async () => {
  const stop = new AbortController()
  const watching = run(['drain', 'anchor-2'], { signal: stop.signal })
  await until(async () => (await json('nodes', 'anchor-2')).state === 'draining')
  stop.abort(new Error('stopped by SIGINT'))
  const { code, stderr } = await watching
  assert.equal(code, 1)
  assert.match(stderr, /the drain continues; .*admin drain anchor-2 .*admin uncordon anchor-2 ends it/)
  assert.equal((await json('nodes', 'anchor-2')).state, 'draining')
  await anchorage('uncordon', 'anchor-2')
})

test('on a terminal a drain is one line, and with too few nodes it says so', async () => {
  await system.query(`update nodes set last_seen = now() - interval '1 hour' where name <> 'anchor-2'`)
  await report(1, { leader: { epoch: 1 } })
  const stop = new AbortController()
  const seen: string[] = []
  const watching = run(['drain', 'anchor-2'], {
    signal: stop.signal,
    terminal: { columns: 200 },
    out: (text) => void seen.push(text),
  })
  await until(async () => seen.some((text) => text.includes('waits')))
  stop.abort(new Error('stopped by SIGINT'))
  await watching
  assert.match(seen.join(''), /\r\u001b\[Kanchor-2: draining, 3 left .*; waits: too few nodes: /)
  assert.match(seen.join(''), /content wants 1 copy, and 0 other nodes are in service/)
  await anchorage('uncordon', 'anchor-2')
  await system.query('update nodes set last_seen = now()')
  await report(1)
})

test('maintenance is switched on with a reason and an end, is shown, and is switched off', async () => {
  assert.equal((await anchorage('maintenance', 'status')).stdout, 'maintenance is off\n')
  const on = await json('maintenance', 'on', '--reason', 'new switches', '--ttl', '30m')
  assert.deepEqual([on.on, on.reason], [true, 'new switches'])
  assert.equal(Date.parse(on.until) - Date.parse(on.since), 1_800_000)
  assert.match(
    (await anchorage('maintenance', 'status')).stdout,
    /^maintenance has been on for \S+: new switches \(operator:.*\), ends in 29m 5\ds \(/,
  )
  assert.match(
    (await anchorage('drain', 'anchor-3', '--no-wait')).stdout,
    /waits: maintenance is on \(new switches\)/,
  )
  await anchorage('uncordon', 'anchor-3')
  assert.deepEqual(await json('maintenance', 'off'), {
    on: false,
    reason: null,
    actor: null,
    since: null,
    until: null,
  })
  assert.equal((await anchorage('maintenance', 'off')).code, 0, 'switching off what is off is no failure')
})

test('forget asks first and says what will be removed; without an answer it removes nothing', async () => {
  const { nodeId } = await store.nodes.boot('anchor-5')
  await system.query(`update nodes set last_seen = now() - interval '1 hour' where id = $1`, [uuidOf(nodeId)])
  const silent = await anchorage('forget', 'anchor-5')
  assert.deepEqual([silent.code, silent.stdout], [2, ''])
  assert.match(
    silent.stderr,
    /anchor-5 \(nod_\w+\) is deleted from the database for good, with its 0 placements.*--yes/,
  )
  const no = await run(['forget', 'anchor-5'], { ask: async () => '' })
  assert.deepEqual([no.code, no.stdout], [1, ''])
  assert.match(no.stderr, /nothing was changed/)
  assert.equal((await json('nodes', 'anchor-5')).id, nodeId)
  const yes = await run(['forget', 'anchor-5'], { ask: async () => 'y' })
  assert.deepEqual([yes.code, yes.stdout], [0, `anchor-5 (${nodeId}) is forgotten\n`])
})

test('forget refuses a node that is alive, and one with content that is pinned on no other node', async () => {
  const alive = await anchorage('forget', 'anchor-2', '--yes')
  assert.deepEqual([alive.code, alive.stdout], [1, ''])
  assert.match(alive.stderr, /alive/)
  const { nodeId } = await store.nodes.boot('anchor-4')
  await system.query(`update nodes set last_seen = now() - interval '1 hour' where id = $1`, [uuidOf(nodeId)])
  await placed(nodeId, 1)
  assert.match(
    (await anchorage('forget', 'anchor-4', '--yes')).stderr,
    /no other node has 1 of the contents of anchor-4, which 1 pins of 1 orgs want.*forget anchor-4 --accept-loss/,
  )
  await system.query('delete from placements where node_id = $1', [uuidOf(nodeId)])
  assert.deepEqual(await json('forget', 'anchor-4', '--yes'), {
    id: nodeId,
    name: 'anchor-4',
    forgotten: true,
    lost: { contents: 0, pins: 0, orgs: 0, bytes: 0 },
  })
  assert.match(
    (await anchorage('nodes', 'anchor-4')).stderr,
    /there is no node "anchor-4": there are anchor-1, anchor-2, anchor-3/,
  )
})

test('forget --accept-loss says what is lost, asks for the name of the node, and changes nothing for another name', async () => {
  const { nodeId } = await store.nodes.boot('anchor-6')
  await system.query(`update nodes set last_seen = now() - interval '1 hour' where id = $1`, [uuidOf(nodeId)])
  await placed(nodeId, 2)
  const refused = await anchorage('forget', 'anchor-6', '--yes', '--json')
  assert.equal(refused.code, 1)
  const lines = refused.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const lost = { contents: 2, pins: 2, orgs: 1, bytes: 2048 }
  assert.deepEqual(lines.slice(2), [{ id: nodeId, name: 'anchor-6', forgotten: false, lost }])
  assert.deepEqual(
    lines.slice(0, 2).map(({ bytes, pins, orgs }) => ({ bytes, pins, orgs })),
    Array.from({ length: 2 }, () => ({ bytes: 1024, pins: 1, orgs: 1 })),
  )
  const silent = await anchorage('forget', 'anchor-6', '--accept-loss')
  assert.equal(silent.code, 2)
  assert.match(silent.stderr, /No other node has 2 of its contents \(2\.0 KiB\).*--confirm anchor-6/s)
  const asked = await run(['forget', 'anchor-6', '--accept-loss'], { ask: async () => 'anchor-5' })
  assert.deepEqual([asked.code, asked.stdout], [2, ''])
  assert.match(asked.stderr, /anchor-5 is not the name of anchor-6\. Nothing was changed/)
  assert.equal((await anchorage('forget', 'anchor-6', '--accept-loss', '--confirm', 'anchor-1')).code, 2)
  assert.equal((await json('nodes', 'anchor-6')).state, 'active')
  const named = await run(['forget', 'anchor-6', '--accept-loss'], { ask: async () => 'anchor-6' })
  assert.deepEqual([named.code, named.stdout], [0, `anchor-6 (${nodeId}) is forgotten\n`])
  const [entry] = await store.operator.audit({ limit: 1 })
  assert.deepEqual(entry?.details, { name: 'anchor-6', placements: 2, lost })
})

test('a dry run saves a plan and shows its moves; --plan carries out exactly that plan; pause, resume and cancel change it', async () => {
  await placed(nodes[0], 30)
  const dry = await anchorage('rebalance', '--dry-run')
  assert.equal(dry.code, 0, dry.stderr)
  const [, id = ''] =
    /^(pln_[0-9a-z]{26}) {2}planned, 0 of \d+ moves done, [\d.]+ KiB\n/.exec(dry.stdout) ?? []
  assert.match(
    dry.stdout,
    /^MOVE +CID +FROM +TO +BYTES +STATE +REASON\n1 +\S+ +anchor-1 +anchor-[23] +1.0 KiB +planned +anchor-1 has \d+ %/m,
  )
  assert.match(dry.stdout, /^NODE +HAS +SHARE +FAIR SHARE +AFTER\nanchor-1 +\S+ KiB +\d\S+% +33.3% /m)
  assert.match(dry.stderr, new RegExp(`rebalance --plan ${id}`))
  const { plan, moves } = await json('plans', id)
  assert.equal(moves.length, plan.moves)
  assert.ok(plan.moves > 0)
  assert.equal(
    moves.reduce((sum: number, move: { bytes: number }) => sum + move.bytes, 0),
    plan.bytes,
  )
  assert.equal(await planned("plan_moves where state <> 'planned'"), 0, 'a dry run moves nothing')

  const begun = await json('rebalance', '--plan', id, '--no-wait')
  assert.deepEqual([begun.id, begun.state, begun.waits], [id, 'applying', null])
  assert.equal((await json('rebalance', '--pause', id)).state, 'paused')
  assert.match((await anchorage('plans', id)).stdout, /paused, .*; waits: the plan is paused/)
  assert.equal((await json('rebalance', '--resume', id, '--no-wait')).state, 'applying')
  const { watching, shown } = watched('rebalance', '--plan', id)
  await until(shown)
  assert.equal((await json('rebalance', '--cancel', id)).state, 'cancelled')
  const seen = await watching
  assert.equal(seen.code, 1, 'a plan that was cancelled was not carried out')
  assert.match(seen.stdout, /^applying, 0 of (\d+) moves done, \1 waiting, 0 B of [\d.]+ KiB/)
  assert.match(seen.stdout, /cancelled, 0 of/)
  const refused = await anchorage('rebalance', '--plan', id)
  assert.deepEqual([refused.code, refused.stdout], [1, ''])
  assert.match(refused.stderr, /cancelled/)
  const { results } = await json('plans')
  assert.deepEqual([results.length, results[0].id, results[0].state], [1, id, 'cancelled'])
})

test('a finished plan is shown with its end, and a plan without moves is done as soon as it is made', async () => {
  const { plan } = await json('rebalance', '--dry-run')
  await system.query(`update plan_moves set state = 'done' where plan_id = $1`, [uuidOf(plan.id)])
  await system.query(`update plans set state = 'applied', done = moves where id = $1`, [uuidOf(plan.id)])
  const shown = await anchorage('rebalance', '--plan', plan.id)
  const size = String.raw`[\d.]+ KiB`
  assert.equal(shown.code, 0, shown.stderr)
  assert.match(shown.stdout, new RegExp(`^applied, (\\d+) of \\1 moves done, (${size}) of \\2\n$`))
  const none = (async function* (): AsyncGenerator<never> {})()
  const even = await store.plans.savePlan({ id: mintId('pln'), actor: 'op', summary: {} }, none)
  assert.deepEqual([even.moves, even.state], [0, 'applied'])
  const ended = await anchorage('rebalance', '--plan', even.id)
  assert.deepEqual([ended.code, ended.stdout], [0, 'applied, 0 of 0 moves done, 0 B of 0 B\n'])
})

test('a dry run as JSON is one document with every move', async () => {
  const { plan, moves } = await json('rebalance', '--dry-run')
  assert.equal(moves.length, plan.moves)
  assert.deepEqual(Object.keys(moves[0]), ['number', 'cid', 'from', 'to', 'bytes', 'reason', 'state', 'note'])
})

test('an unknown plan and a malformed plan id get different errors', async () => {
  const gone = await anchorage('rebalance', '--plan', mintId('pln'))
  assert.deepEqual([gone.code, gone.stdout], [1, ''])
  const wrong = await anchorage('rebalance', '--plan', 'yesterday')
  assert.deepEqual([wrong.code, wrong.stdout], [2, ''])
  assert.match(wrong.stderr, /pln_/)
})

test('reconcilers are shown, and a blocked one continues once an operator confirms it', async () => {
  const early = await anchorage('reconcile', 'anchor-3', '--confirm')
  assert.equal(early.code, 1)
  assert.match(early.stderr, /has not stopped/)
  await report(2, { reconcileBlocked: 250 })
  assert.match((await anchorage('reconcile')).stdout, /^anchor-3 +\S+ ago +removed 0 +250 removals$/m)
  const silent = await anchorage('reconcile', 'anchor-3', '--confirm')
  assert.deepEqual([silent.code, silent.stdout], [2, ''])
  assert.match(silent.stderr, /anchor-3 does what it stopped before.*: 250 removals.*--yes/)
  assert.equal((await run(['reconcile', 'anchor-3', '--confirm'], { ask: async () => 'n' })).code, 1)
  const none = await system.query('select from nodes where reconcile_confirmed_at is not null')
  assert.equal(none.rowCount, 0, 'no one said yes')
  const confirmed = await anchorage('reconcile', 'anchor-3', '--confirm', '--yes')
  assert.deepEqual([confirmed.code, confirmed.stdout], [0, 'anchor-3 continues\n'])
  const noted = await system.query('select from nodes where reconcile_confirmed_at is not null')
  assert.equal(noted.rowCount, 1)
})

test('the audit is shown newest first, filtered by org, and followed', async () => {
  const org = (await store.orgDirectory.createOrg('audited', {}, 'operator')).id
  const { results } = await json('audit', '--limit', '2')
  assert.deepEqual(
    results.map(({ action }: { action: string }) => action),
    ['org.create', 'node.confirm-reconcile'],
  )
  const ofOrg = (await json('audit', '--org', 'audited')).results
  assert.deepEqual(
    ofOrg.map(({ orgId, target }: Record<string, string>) => [orgId, target]),
    [[org, 'audited']],
  )

  const stop = new AbortController()
  const lines: string[] = []
  const out = (text: string) => void lines.push(text)
  const following = run(['audit', '--follow', '--json', '--limit', '1'], { signal: stop.signal, out })
  await until(async () => lines.length === 1)
  await store.orgDirectory.createOrg('audited-later', {}, 'operator')
  await until(async () => lines.length === 2)
  stop.abort(new Error('stopped by SIGINT'))
  assert.equal((await following).code, 0)
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).target),
    ['audited', 'audited-later'],
  )
})

test('the unwanted pins of a node are listed, and adopted by an org', async () => {
  const node = { nodeId: nodes[1] ?? assert.fail('no node'), incarnation: 1 }
  await store.orgDirectory.createOrg('rescue', {}, 'operator')
  await store.reconcile.noteUnwanted(node, ['cid-b', 'cid-a'])
  assert.equal((await anchorage('reconcile', 'anchor-2', '--list')).stdout, 'cid-a\ncid-b\n')
  const { results } = await json('reconcile', 'anchor-2', '--list')
  assert.deepEqual(
    results.map(({ cid, seenAt }: Record<string, string>) => [cid, Number.isNaN(Date.parse(seenAt ?? ''))]),
    [
      ['cid-a', false],
      ['cid-b', false],
    ],
  )
  assert.deepEqual(await json('reconcile', 'anchor-1', '--list'), { results: [] })
  const adopted = await anchorage('reconcile', 'anchor-2', '--adopt', 'rescue')
  assert.deepEqual(
    [adopted.code, adopted.stdout],
    [0, '2 unwanted pins of anchor-2 are pins of rescue now\n'],
  )
  assert.deepEqual(await json('reconcile', 'anchor-2', '--adopt', 'rescue'), { adopted: 2 })
  assert.deepEqual(
    (await store.reconcile.placementsOf(node, ['cid-a', 'cid-b'])).map(({ state }) => state),
    ['queued', 'queued'],
  )
  const unknown = await anchorage('reconcile', 'anchor-2', '--adopt', 'nobody')
  assert.equal(unknown.code, 1)
})

test('prune-denylist removes expired entries', async () => {
  await system.query(
    `insert into token_denylist (jti, until) values ($1, now() - interval '1 hour'), ($2, now() + interval '1 hour')`,
    [uuidOf(mintId('tok')), uuidOf(mintId('tok'))],
  )
  assert.deepEqual(await json('prune-denylist'), { removed: 1 })
  assert.deepEqual(await json('prune-denylist'), { removed: 0 })
})

test('a token with an operator scope is minted', async () => {
  await store.orgDirectory.createOrg('operators', {}, 'operator')
  const asked = ['mint-token', '--org', 'operators', '--scopes', 'cluster:admin', '--ttl', '1h']
  assert.equal((await anchorage(...asked)).code, 0)
})

test('without a database every verb fails with one line and exit code 1', async () => {
  const away = { ANCHORAGE_DATABASE_SYSTEM_URL: 'postgres://x:y@127.0.0.1:1/none' }
  for (const argv of [
    ['nodes'],
    ['status'],
    ['drain', 'a'],
    ['maintenance', 'status'],
    ['plans'],
    ['audit'],
  ]) {
    const { code, stdout, stderr } = await run(argv, {}, away)
    assert.deepEqual([argv, code, stdout], [argv, 1, ''])
    assert.match(stderr, /^anchorage: the database cannot be reached/)
    assert.doesNotMatch(stderr, /x:y|\n {4}at /)
  }
})

/** Pins contents on a node for an org of their own; no Kubo has them, which is enough for the operators' verbs. */
async function placed(nodeId: NodeId | undefined, count: number, replicas = 1): Promise<void> {
  assert.ok(nodeId)
  const org = (await store.orgDirectory.createOrg(`of-${mintId('org').slice(-8)}`, {}, 'operator')).id
  for (let i = 0; i < count; i++) {
    const cid = `bafk${mintId('pin').slice(4)}${i}`
    const [accepted] = await store.pins.acceptPins(
      org,
      [{ id: mintId('pin'), cid, cidText: cid, replicas, actor: mintId('tok'), nodes: [nodeId] }],
      false,
    )
    assert.ok(accepted && 'pin' in accepted)
    await system.query(`update placements set state = 'pinned', bytes = 1024 where cid = $1`, [cid])
    await system.query('update contents set dag_size = 1024 where cid = $1', [cid])
  }
}

async function report(node: number, more: object = {}): Promise<void> {
  const id = nodes[node]
  assert.ok(id)
  const reported = fakeReport({
    version: '1.2.3',
    heard: node === 0 ? { [String(nodes[1])]: 400 } : {},
    caches: { nodes: { size: 3, hits: 90, misses: 10, invalidations: 2, flushes: 1, version: 7 } },
    workers: [
      { name: 'repair', endedAtMs: Date.now(), tookMs: 12, failures: 0, report: { added: 3 } },
      { name: 'reconciler', endedAtMs: Date.now(), tookMs: 5, failures: 0, report: { removed: 0 } },
    ],
    ...more,
  })
  await system.query('update nodes set report = $2, reported_at = now() where id = $1', [
    uuidOf(id),
    reported,
  ])
}

async function planned(from: string): Promise<number> {
  const { rows } = await system.query(`select count(*)::int as n from ${from}`)
  return rows[0].n
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + patience.usualMs
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, 'it did not come to be')
    await sleep(50)
  }
}

/** The text without colours. */
function plain(text: string): string {
  return text.replaceAll(/\u001b\[\d+m/g, '')
}

// the tests assert what a document contains
// oxlint-disable-next-line typescript/no-explicit-any
async function json(...argv: string[]): Promise<any> {
  const { code, stdout, stderr } = await anchorage(...argv, '--json')
  assert.equal(code, 0, stderr)
  assert.equal(stdout.split('\n').length, 2, 'one line')
  return JSON.parse(stdout)
}

function anchorage(...argv: string[]) {
  return run(argv, {})
}

/** Runs a verb that does not end by itself; `shown` says whether it has printed anything yet. */
function watched(...argv: string[]) {
  let stdout = ''
  const watching = run(argv, { out: (text) => void (stdout += text) }).then((ended) => ({ ...ended, stdout }))
  return { watching, shown: async () => stdout !== '' }
}

async function run(argv: string[], io: Partial<Io>, env: Record<string, string> = {}) {
  const written = { stdout: '', stderr: '' }
  const code = await main(['admin', ...argv], {
    env: {
      ANCHORAGE_DATABASE_URL: database.tenantUrl,
      ANCHORAGE_DATABASE_SYSTEM_URL: database.systemUrl,
      ANCHORAGE_AUTH_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
      ANCHORAGE_LOG_LEVEL: 'error',
      ANCHORAGE_DATA_DIR: '/nonexistent',
      ...env,
    },
    out: (text) => void (written.stdout += text),
    err: (text) => void (written.stderr += text),
    terminal: null,
    signal: new AbortController().signal,
    ...io,
  })
  return { code, ...written }
}
