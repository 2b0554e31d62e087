import type { Entry } from './verb.ts'

/** Every verb, by the heading under which the overview shows it. */
const groups: Record<string, Record<string, Entry>> = {
  'Run it': {
    dev: { summary: 'run a whole cluster on this machine', load: () => import('./dev.ts') },
    serve: { summary: 'run a node', load: () => import('./serve.ts') },
    migrate: { summary: 'up | status: update the database schema', load: () => import('./migrate.ts') },
    backup: { summary: 'write the database to a file', load: () => import('./backup.ts') },
    restore: { summary: 'fill a new database from a backup', load: () => import('./restore.ts') },
    config: { summary: 'options: check | print | docs | limits', load: () => import('./config.ts') },
    doctor: { summary: 'find problems and say how to fix them', load: () => import('./doctor.ts') },
  },
  Pins: {
    'pin add': { summary: 'pin a CID and watch its progress', load: () => import('./pin/add.ts') },
    'pin ls': { summary: 'list pins', load: () => import('./pin/ls.ts') },
    'pin rm': { summary: 'remove pins', load: () => import('./pin/rm.ts') },
    'pin export': { summary: 'write pins to a file', load: () => import('./pin/export.ts') },
    'pin import': {
      summary: 'add the pins of a file or another service',
      load: () => import('./pin/import.ts'),
    },
    'pin status': { summary: 'show everything about a pin', load: () => import('./pin/status.ts') },
  },
  'The cluster': {
    'admin init-cluster': {
      summary: "make a cluster's CA, keys and secret",
      load: () => import('./admin/init-cluster.ts'),
    },
    'admin status': {
      summary: 'show the whole cluster on one screen',
      load: () => import('./admin/status.ts'),
    },
    'admin nodes': { summary: 'list the nodes, or show one', load: () => import('./admin/nodes.ts') },
    'admin drain': { summary: 'take a node out of service', load: () => import('./admin/drain.ts') },
    'admin uncordon': { summary: 'put a node into service again', load: () => import('./admin/uncordon.ts') },
    'admin forget': { summary: 'delete a node from the database', load: () => import('./admin/forget.ts') },
    'admin maintenance': {
      summary: 'on | off | status: stop repairs and moves',
      load: () => import('./admin/maintenance.ts'),
    },
    'admin rebalance': {
      summary: 'move content so that nodes fill evenly',
      load: () => import('./admin/rebalance.ts'),
    },
    'admin plans': { summary: 'list rebalance plans, or show one', load: () => import('./admin/plans.ts') },
    'admin cluster-presences': {
      summary: 'show which nodes hear each other',
      load: () => import('./admin/cluster-presences.ts'),
    },
    'admin cache-stats': {
      summary: 'show cache hits and misses of each node',
      load: () => import('./admin/cache-stats.ts'),
    },
    'admin reconcile': {
      summary: 'show reconcilers, or let one continue',
      load: () => import('./admin/reconcile.ts'),
    },
    'admin recount': {
      summary: 'compare stored counts with their rows',
      load: () => import('./admin/recount.ts'),
    },
  },
  Orgs: {
    'admin create-org': { summary: 'create an org', load: () => import('./admin/create-org.ts') },
    'admin set-org': { summary: "change an org's limits", load: () => import('./admin/set-org.ts') },
    'admin orgs': { summary: 'list the orgs, or show one', load: () => import('./admin/orgs.ts') },
    'admin suspend-org': {
      summary: "refuse an org's requests, pause its work",
      load: () => import('./admin/suspend-org.ts'),
    },
    'admin resume-org': {
      summary: 'serve a suspended org again',
      load: () => import('./admin/resume-org.ts'),
    },
    'admin remove-org': {
      summary: 'delete an org and everything it has',
      load: () => import('./admin/remove-org.ts'),
    },
  },
  'People and tokens': {
    'admin members': { summary: 'list the members of an org', load: () => import('./admin/members.ts') },
    'admin set-member': {
      summary: 'add, change or remove a member',
      load: () => import('./admin/set-member.ts'),
    },
    'admin users': { summary: 'list the people who have logged in', load: () => import('./admin/users.ts') },
    'admin tokens': { summary: 'list the tokens of an org', load: () => import('./admin/tokens.ts') },
    'admin mint-token': {
      summary: 'create an API token for an org',
      load: () => import('./admin/mint-token.ts'),
    },
    'admin revoke-token': {
      summary: 'revoke an API token',
      load: () => import('./admin/revoke-token.ts'),
    },
    'admin rotate-key': {
      summary: 'sign new tokens with a new key',
      load: () => import('./admin/rotate-key.ts'),
    },
    'admin audit': { summary: 'show the audit log', load: () => import('./admin/audit.ts') },
    'admin prune-denylist': {
      summary: 'delete revoked tokens that have expired',
      load: () => import('./admin/prune-denylist.ts'),
    },
  },
  'This program': {
    completion: {
      summary: 'print a completion script for a shell',
      load: async () => ({ command: (await import('./completion.ts')).completionOf(verbs) }),
    },
    version: { summary: 'show the version', load: () => import('./version.ts') },
  },
}

/** All verbs, by name. */
export const verbs: Readonly<Record<string, Entry>> = Object.assign({}, ...Object.values(groups))

/** The verbs that start with `prefix`, under their headings. */
export function listing(prefix: string): string {
  const wide = Math.max(...Object.keys(verbs).map((name) => (name.startsWith(prefix) ? name.length : 0)))
  return Object.entries(groups)
    .map(([heading, entries]) => {
      const lines = Object.entries(entries)
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, { summary }]) => `  anchorage ${name.padEnd(wide + 2)}${summary}\n`)
      return lines.length === 0 ? '' : `${heading}:\n${lines.join('')}\n`
    })
    .join('')
}

/** A word that verbs begin with, such as `admin`. */
export function isGroup(word: string): boolean {
  return word !== '' && Object.keys(verbs).some((name) => name.startsWith(`${word} `))
}
