// A world of its own: its three nodes are stopped, lost, filled up and given new keys, one page after the other.
import { after, before, suite } from 'node:test'
import { api } from './stories/api.ts'
import { diskFull } from './stories/disk-full.ts'
import { drain } from './stories/drain.ts'
import { keyRotation } from './stories/key-rotation.ts'
import { maintenance } from './stories/maintenance.ts'
import { nodeLoss } from './stories/node-loss.ts'
import { operate } from './stories/operate.ts'
import { asked, pagesForCluster, type ClusterPage } from '../../testing/runbook-pages.ts'
import { rebalance } from './stories/rebalance.ts'
import { reconciler } from './stories/reconciler.ts'
import { rollingUpgrade } from './stories/rolling-upgrade.ts'
import { Stage } from './stage.ts'
import { tokenLeak } from './stories/token-leak.ts'
import type { Next } from './walk.ts'

const stories: Record<ClusterPage, (at: Stage, next: Next) => Promise<void>> = {
  'docs/operate.md': operate,
  'docs/api.md': api,
  'docs/runbooks/drain.md': drain,
  'docs/runbooks/rebalance.md': rebalance,
  'docs/runbooks/maintenance.md': maintenance,
  'docs/runbooks/rolling-upgrade.md': rollingUpgrade,
  'docs/runbooks/reconciler.md': reconciler,
  'docs/runbooks/token-leak.md': tokenLeak,
  'docs/runbooks/disk-full.md': diskFull,
  'docs/runbooks/node-loss.md': nodeLoss,
  'docs/runbooks/key-rotation.md': keyRotation,
}

const pages = asked(pagesForCluster)

suite('the commands in the docs, on a cluster of three nodes', { skip: pages.length === 0 }, () => {
  const at = new Stage()
  before(() => at.start())
  after(() => at.stop())

  for (const page of pages) at.runbook(page, (next) => stories[page](at, next))
})
