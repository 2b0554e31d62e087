// Three nats-servers of its own, and no nodes, so the invariants of a world do not apply.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { patience } from '../../testing/patience.ts'
import { FakeEpochs } from '../../testing/fakes/epochs.ts'
import { until } from '../../testing/settle.ts'
import { numberOf, type Epoch } from '../../src/core/epoch.ts'
import { mintId } from '../../src/core/ids.ts'
import { silentLog } from '../../src/core/silent-log.ts'
import { testNats } from '../../testing/servers/nats.ts'
import { testNatsCluster, type TestSeat } from '../../testing/servers/nats-cluster.ts'
import { makeClusterSecret } from '../../src/cluster/cluster-ca.ts'
import { connectNats, type NodeNatsLink } from '../../src/cluster/nats-link.ts'
import { runLease } from '../../src/cluster/lease.ts'
import type { NatsChild, NatsServerOptions } from '../../src/cluster/nats-server.ts'

before(async () => {
  await using _ = await testNats(process.env)
})

const ttlMs = 3_000
/** JetStream's own election comes before the leader's. */
const election = { withinMs: patience.longMs }

/** A term of leadership, by the machine's own clock. */
interface Term {
  epoch: number
  fromMs: number
  toMs: number | null
}

/** A node that contends for the lease, on its own server. */
interface Contender {
  child: NatsChild
  seat: TestSeat
  link: NodeNatsLink
  terms: Term[]
  stop: AbortController
  done: Promise<void>
  leads(): boolean
}

/** Three servers of one cluster, each with a contender. */
async function rig(options: Partial<NatsServerOptions> = {}) {
  const stack = new AsyncDisposableStack()
  const servers = stack.use(await testNatsCluster(process.env, 3, options))
  const children = await Promise.all(servers.seats.map((seat) => seat.start(servers.all)))
  const epochs = new FakeEpochs()
  const contenders = children.map((child, number): Contender => {
    const nodeId = mintId('nod')
    const layout = () => ({ replicas: 3, alone: false })
    const link = stack.use(connectNats({ url: child.url, nodeId, log: silentLog, probeEveryMs: 200, layout }))
    const terms: Term[] = []
    const stop = new AbortController()
    const onLead = async (epoch: Epoch, signal: AbortSignal): Promise<void> => {
      const term: Term = { epoch: numberOf(epoch), fromMs: performance.now(), toMs: null }
      terms.push(term)
      if (!signal.aborted) await new Promise((ended) => signal.addEventListener('abort', ended))
      term.toMs = performance.now()
    }
    const done = runLease({ link, nodeId, ttlMs, epochs, onLead, log: silentLog }, stop.signal)
    stack.defer(() => {
      stop.abort()
      return done
    })
    const leads = (): boolean => terms.at(-1)?.toMs === null
    return { child, seat: servers.seat(number), link, terms, stop, done, leads }
  })
  const leader = (than?: Contender) =>
    until('a leader', () => contenders.find((one) => one !== than && one.leads()), election)
  return { servers, contenders, leader, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** No two contenders led at once, and epochs only grew. */
function assertOneByOne(contenders: readonly Contender[]): void {
  const terms = contenders.flatMap(({ terms }) => terms).sort((a, b) => a.epoch - b.epoch)
  for (const [index, term] of terms.entries()) {
    const before = terms[index - 1]
    if (before !== undefined) assert.ok((before.toMs ?? Infinity) <= term.fromMs, JSON.stringify(terms))
  }
}

test('a leader that is cut off with its server stops leading when its lease ends; the others elect one of them; then all agree', async () => {
  await using it = await rig()
  const first = await it.leader()
  await first.child.setCluster(first.seat.cluster(it.servers.all, { secret: makeClusterSecret() }))
  await until('the minority to step down', () => !first.leads())
  const second = await it.leader(first)
  await until('the minority to see that it is one', () => first.link.trouble(), election)
  const terms = first.terms.length
  assert.equal(first.leads(), false)
  await first.child.setCluster(first.seat.cluster(it.servers.all))
  await until('the minority to be back', () => first.link.trouble() === null, election)
  // If it had led meanwhile, that would be visible by now.
  assert.equal(first.terms.length, terms)
  assert.ok(second.leads())
  assertOneByOne(it.contenders)
})

test('when the server of a leader is killed for good, another node leads', async () => {
  await using it = await rig({ restartAfterMs: 0 })
  const first = await it.leader()
  const { pid } = first.child
  assert.ok(pid !== null)
  process.kill(pid, 'SIGKILL')
  await it.leader(first)
  assert.equal(first.leads(), false)
  assertOneByOne(it.contenders)
})

test('when a leader stops with its server, another node leads', async () => {
  await using it = await rig()
  const first = await it.leader()
  await Promise.all(
    it.contenders.map(({ link }) => until('JetStream', () => link.trouble() === null, election)),
  )
  first.stop.abort()
  await first.done
  await first.link[Symbol.asyncDispose]()
  await first.child[Symbol.asyncDispose]()
  await it.leader(first)
  assertOneByOne(it.contenders)
})
