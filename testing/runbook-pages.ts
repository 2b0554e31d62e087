/** Pages whose commands run on machines that have only the program, in the order in which a new operator reads them. */
export const pagesForFreshMachines = [
  'docs/install.md',
  'docs/runbooks/grow.md',
  'docs/runbooks/backup-drill.md',
] as const

/** Pages whose commands run on a cluster of three nodes that has pins. */
export const pagesForCluster = [
  'docs/operate.md',
  'docs/api.md',
  'docs/runbooks/drain.md',
  'docs/runbooks/rebalance.md',
  'docs/runbooks/maintenance.md',
  'docs/runbooks/rolling-upgrade.md',
  'docs/runbooks/reconciler.md',
  'docs/runbooks/token-leak.md',
  'docs/runbooks/disk-full.md',
  'docs/runbooks/node-loss.md',
  'docs/runbooks/key-rotation.md',
] as const

export type FreshPage = (typeof pagesForFreshMachines)[number]
export type ClusterPage = (typeof pagesForCluster)[number]

/** The `pages` that `npm run test:runbooks -- NAME…` names; all of them when it names none. */
export function asked<P extends string>(pages: readonly P[]): P[] {
  const names = (process.env['RUNBOOKS'] ?? '').split(' ').filter((name) => name !== '')
  return pages.filter((page) => names.length === 0 || names.some((name) => page.endsWith(`/${name}.md`)))
}
