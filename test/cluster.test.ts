// A world that all stories of several nodes share. It starts with one node, and two more join. Each story waits until the cluster has
// recovered from the one before, uses its own orgs, and leaves every node in service.
import { after, before, suite } from 'node:test'
import { browser } from './cluster/browser.ts'
import { copies } from './cluster/copies.ts'
import { drain } from './cluster/drain.ts'
import { growth } from './cluster/growth.ts'
import { leadershipMoves } from './cluster/leadership.ts'
import { maintenance } from './cluster/maintenance.ts'
import { metrics } from './cluster/metrics.ts'
import { rebalance } from './cluster/rebalance.ts'
import { revocation } from './cluster/revocation.ts'
import { sharedContent } from './cluster/shared-content.ts'
import { ClusterStage } from './cluster/stage.ts'

suite('one node, then three', () => {
  const at = new ClusterStage()
  before(() => at.start())
  after(() => at.stop())

  growth(at)
  copies(at)
  sharedContent(at)
  revocation(at)
  browser(at)
  rebalance(at)
  drain(at)
  maintenance(at)
  metrics(at)
  leadershipMoves(at)
})
