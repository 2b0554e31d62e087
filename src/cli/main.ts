import { createInterface } from 'node:readline/promises'
import { environment } from '../app/environment.ts'
import { didYouMean } from '../app/nearest.ts'
import { version } from '../app/version.ts'
import { report } from './report.ts'
import { WrongUse, type Io, type Verb } from './verb.ts'

/** How long a clean stop may take before the process is ended hard. */
const lastResortMs = 30_000

/** Every verb, with the file that is loaded only when it is asked for. */
export const verbs: Record<string, { summary: string; load: () => Promise<Verb> }> = {
  dev: { summary: 'everything on this machine, with no configuration', load: () => import('./dev.ts') },
  serve: { summary: 'run a node', load: () => import('./serve.ts') },
  migrate: { summary: 'up | status: bring the database to this version', load: () => import('./migrate.ts') },
  backup: { summary: 'write all that the database holds to a file', load: () => import('./backup.ts') },
  restore: { summary: 'fill a new database from a backup', load: () => import('./restore.ts') },
  config: {
    summary: 'check | print | docs | limits: the options and where they come from',
    load: () => import('./config.ts'),
  },
  doctor: {
    summary: 'look at everything a node needs, say what is wrong and what to do',
    load: () => import('./doctor.ts'),
  },
  'admin create-org': { summary: 'make an org', load: () => import('./admin/create-org.ts') },
  'admin set-org': { summary: "change an org's limits", load: () => import('./admin/set-org.ts') },
  'admin orgs': { summary: 'list the orgs, or show one', load: () => import('./admin/orgs.ts') },
  'admin suspend-org': {
    summary: 'refuse an org’s requests and put its work by',
    load: () => import('./admin/suspend-org.ts'),
  },
  'admin resume-org': { summary: 'serve a suspended org again', load: () => import('./admin/resume-org.ts') },
  'admin remove-org': {
    summary: 'remove an org with all that it has, for good',
    load: () => import('./admin/remove-org.ts'),
  },
  'admin members': { summary: 'list the members of an org', load: () => import('./admin/members.ts') },
  'admin set-member': {
    summary: 'make somebody a member, change a role, or remove a member',
    load: () => import('./admin/set-member.ts'),
  },
  'admin users': { summary: 'list who has logged in', load: () => import('./admin/users.ts') },
  'admin tokens': { summary: 'list the tokens of an org', load: () => import('./admin/tokens.ts') },
  'admin mint-token': {
    summary: "make an API token for an org's programs",
    load: () => import('./admin/mint-token.ts'),
  },
  'admin revoke-token': {
    summary: 'end an API token for good',
    load: () => import('./admin/revoke-token.ts'),
  },
  'admin rotate-key': {
    summary: 'sign new tokens with a new key',
    load: () => import('./admin/rotate-key.ts'),
  },
  'admin init-cluster': {
    summary: "make the CA, certificates and secret that a cluster's nats-servers need",
    load: () => import('./admin/init-cluster.ts'),
  },
  'admin status': { summary: 'the whole cluster on one screen', load: () => import('./admin/status.ts') },
  'admin nodes': { summary: 'list the nodes, or show one', load: () => import('./admin/nodes.ts') },
  'admin drain': { summary: 'take a node out of service', load: () => import('./admin/drain.ts') },
  'admin uncordon': { summary: 'put a node into service again', load: () => import('./admin/uncordon.ts') },
  'admin forget': { summary: 'strike out a node for good', load: () => import('./admin/forget.ts') },
  'admin maintenance': {
    summary: 'on | off | status: while it is on, nothing is repaired or moved',
    load: () => import('./admin/maintenance.ts'),
  },
  'admin rebalance': {
    summary: 'even out what lies on the nodes',
    load: () => import('./admin/rebalance.ts'),
  },
  'admin plans': { summary: 'list plans of moves, or show one', load: () => import('./admin/plans.ts') },
  'admin cluster-presences': {
    summary: 'show which nodes hear which',
    load: () => import('./admin/cluster-presences.ts'),
  },
  'admin cache-stats': {
    summary: 'show how the caches of each node fare',
    load: () => import('./admin/cache-stats.ts'),
  },
  'admin reconcile': {
    summary: 'show how reconcilers fare, let one go on',
    load: () => import('./admin/reconcile.ts'),
  },
  'admin audit': { summary: 'show who did what', load: () => import('./admin/audit.ts') },
  'admin prune-denylist': {
    summary: 'remove revoked tokens that have expired',
    load: () => import('./admin/prune-denylist.ts'),
  },
  'pin add': { summary: 'pin a CID and follow it', load: () => import('./pin/add.ts') },
  'pin ls': { summary: 'list pins', load: () => import('./pin/ls.ts') },
  'pin rm': { summary: 'remove pins', load: () => import('./pin/rm.ts') },
  'pin export': { summary: 'write pins to a file', load: () => import('./pin/export.ts') },
  'pin import': {
    summary: 'take over the pins of a file or of another service',
    load: () => import('./pin/import.ts'),
  },
  'pin status': { summary: 'show a pin in full', load: () => import('./pin/status.ts') },
}

/** Runs the command line `argv` (without program and script) and returns the exit code: 0 done, 1 failed, 2 wrong use. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const debug = argv.includes('--debug')
  const words = argv.filter((word) => word !== '--debug')
  const asked = words[0] === 'help' ? [...words.slice(1), '--help'] : words
  const name = [asked.slice(0, 2).join(' '), asked[0] ?? ''].find((candidate) =>
    Object.hasOwn(verbs, candidate),
  )
  try {
    if (asked[0] === '--version') return say(io, `${version()}\n`)
    if (name === undefined) return withoutVerb(asked, io)
    const verb = await verbs[name]?.load()
    const rest = asked.slice(name.split(' ').length)
    if (wantsHelp(rest)) return say(io, `${verb?.usage.trim() ?? ''}\n`)
    return (await verb?.run(rest, io)) ?? 0
  } catch (error) {
    return report(error, name, debug || io.env['ANCHORAGE_LOG_LEVEL'] === 'debug', io)
  }
}

/** `main` on this process: its streams, its signals, and a last resort when a clean stop does not come to an end. */
export async function runProcess(): Promise<void> {
  const stop = new AbortController()
  const onSignal = (name: string): void => {
    if (stop.signal.aborted) process.exit(name === 'SIGINT' ? 130 : 143)
    stop.abort(new Error(`stopped by ${name}`))
    setTimeout(() => process.exit(1), lastResortMs).unref()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  // A reader that has seen enough (`| head`) is no failure.
  process.stdout.on('error', () => process.exit(0))
  process.exitCode = await main(process.argv.slice(2), {
    env: environment(),
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    terminal: process.stdout.isTTY ? { columns: process.stdout.columns } : null,
    ...(process.stdin.isTTY && { ask: (question: string) => ask(question, stop.signal) }),
    signal: stop.signal,
  })
  process.off('SIGINT', onSignal)
  process.off('SIGTERM', onSignal)
}

/** On standard error, since standard output is for results. */
async function ask(question: string, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await lines.question(question, { signal })
  } finally {
    lines.close()
  }
}

/** No verb was named: the verbs there are, as asked for or as what was missing. */
function withoutVerb(asked: string[], io: Io): number {
  const [word = '', ...more] = asked
  const group = isGroup(word) ? `${word} ` : ''
  if (wantsHelp(group === '' ? [word] : more)) return say(io, overview(group))
  if (asked.length > (group === '' ? 0 : 1)) {
    const typed = asked.slice(0, group === '' ? 1 : 2).join(' ')
    throw new WrongUse(`unknown verb ${typed}${didYouMean(typed, Object.keys(verbs))}`)
  }
  io.err(overview(group))
  return 2
}

/** The verbs that start with `prefix`. */
function overview(prefix: string): string {
  const shown = Object.entries(verbs).filter(([name]) => name.startsWith(prefix))
  const nameWidth = Math.max(...shown.map(([name]) => name.length))
  const lines = shown.map(([name, { summary }]) => `  anchorage ${name.padEnd(nameWidth + 2)}${summary}\n`)
  return `anchorage: a self-hosted IPFS pinning service\n\n${lines.join('')}\nanchorage VERB --help says more about one.\n`
}

function isGroup(word: string): boolean {
  return word !== '' && Object.keys(verbs).some((name) => name.startsWith(`${word} `))
}

function wantsHelp(words: string[]): boolean {
  const end = words.indexOf('--')
  return words.slice(0, end < 0 ? words.length : end).some((word) => word === '--help' || word === '-h')
}

function say(io: Io, text: string): number {
  io.out(text)
  return 0
}

if (import.meta.main) await runProcess()
