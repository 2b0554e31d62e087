import {
  connectionsPerNode,
  inspectWay,
  withLogin,
  type LoginLook,
  type ServerFacts,
} from '../../store/inspect.ts'
import { storeUrls } from '../../config/database-urls.ts'
import type { Config } from '../../config/config.ts'
import type { Secret } from '../../config/secret.ts'
import { inOneLine, isCode } from '../../core/errors.ts'
import { migrateStatus } from '../../store/migrate.ts'
import type { Way } from '../../store/connections.ts'
import { duration } from '../print.ts'
import { fail, judged, ok, skip, warn, type Check, type Finding } from './finding.ts'
import { masterKeyCheck, masterKeyOf, nameOf } from './identity.ts'
import { silentLog } from '../../core/silent-log.ts'

/** A smaller difference may come from the clocks' usual error and from the time that the query took. */
const fineClockMs = 2_000
/** With a clock that is this far off, a node's tokens and logins are refused by other nodes, or live too long. */
const badClockMs = 30_000

/** Checks the server, both logins and how they are reached, the schema, and whether orgs are kept apart. */
export const checkPostgres: Check = async ({ config }, signal) => {
  const urls = urlsOf(config)
  // The config check says why.
  if (urls === null) return [skip('postgres', 'its logins cannot be used; see the check config')]
  const looks = await Promise.all([
    systemLook(urls.systemUrl, config, signal),
    tenantLook(urls.tenantUrl, signal),
    filesLook(config.database.ownerUrl),
  ])
  return looks.flat()
}

function urlsOf(config: Config): ReturnType<typeof storeUrls> | null {
  try {
    return storeUrls(config)
  } catch (error) {
    if (!isCode(error, 'invalid')) throw error
    return null
  }
}

async function systemLook(url: string, config: Config, signal: AbortSignal): Promise<Finding[]> {
  const role = 'anchorage_system'
  const found = await looked('postgres', { url, role, signal }, async (look) => {
    const login = await loginOf('postgres system', look, 'database.systemUrl', role)
    const way = login.state === 'ok' ? await wayOf('postgres way', url, role) : null
    const schema = await judged('postgres schema', async () => {
      await look.assertSchema()
      return ok('postgres schema', 'the schema is the one that this version needs')
    })
    const facts = await look.server()
    // Without a valid login and a schema, the nodes cannot be counted or compared with.
    const isSound = login.state === 'ok' && schema.state === 'ok'
    const nodes = isSound ? (await look.cluster('')).nodes : 1
    return [
      serverOf(facts, hostOf(url)),
      ...settingsOf(facts, nodes, way?.way ?? 'directly'),
      clockOf(facts),
      login,
      ...(way === null ? [] : [way.finding]),
      schema,
      ...(isSound ? await identityOf(config, look) : []),
    ]
  })
  const isTold = found.some(({ check }) => check === masterKeyCheck)
  return isTold ? found : [...found, skip(masterKeyCheck, untold)]
}

const untold = 'whether it opens the signing keys cannot be told: the database cannot be asked'

async function identityOf(config: Config, look: LoginLook): Promise<Finding[]> {
  const facts = await look.identity()
  return [await masterKeyOf(config, facts), ...(await nameOf(config, facts))]
}

async function tenantLook(url: string, signal: AbortSignal): Promise<Finding[]> {
  const role = 'anchorage_tenant'
  return await looked('postgres tenant', { url, role, signal }, async (look) => {
    const login = await loginOf('postgres tenant', look, 'database.url', role)
    if (login.state !== 'ok') return [login]
    const isolation = await judged('postgres orgs', async () => {
      await look.assertOrgsKeptApart()
      return ok('postgres orgs', 'row-level security separates the orgs')
    })
    const { finding } = await wayOf('postgres tenant way', url, role)
    return [login, finding, isolation]
  })
}

async function looked(
  check: string,
  login: Parameters<typeof withLogin>[0],
  work: (look: LoginLook) => Promise<Finding[]>,
): Promise<Finding[]> {
  try {
    return await withLogin(login, work)
  } catch (error) {
    login.signal.throwIfAborted()
    const advice = 'check that Postgres runs there, and that no firewall is in between'
    // An `invalid` error says what to do.
    return [fail(check, inOneLine(error), isCode(error, 'invalid') ? null : advice)]
  }
}

async function loginOf(check: string, look: LoginLook, key: string, role: string): Promise<Finding> {
  return await judged(check, async () => {
    await look.assertLogin()
    return ok(check, `${key} has the rights and the settings of ${role}, and no others`)
  })
}

/** How a node reaches Postgres with this login (directly or through a pooler), and whether a commit succeeds. */
async function wayOf(
  check: string,
  url: string,
  role: 'anchorage_tenant' | 'anchorage_system',
): Promise<{ finding: Finding; way: Way | null }> {
  let way: Way | null = null
  const finding = await judged(check, async () => {
    const found = await inspectWay({ url, role, log: silentLog })
    way = found.way
    return ok(check, `${way}; a commit took ${duration(Math.max(1, found.commitMs))}`)
  })
  return { finding, way }
}

/** Checked only with the owner's login, which need not be on a node. */
async function filesLook(ownerUrl: Secret | undefined): Promise<Finding[]> {
  if (ownerUrl === undefined) return []
  const finding = await judged('postgres files', async () => {
    const status = await migrateStatus(ownerUrl.reveal())
    const migrations = status.filter(({ version }) => version !== null)
    const drifted = migrations.filter(({ state }) => state === 'drifted').map(({ name }) => name)
    return drifted.length === 0
      ? ok('postgres files', `${migrations.length} migrations, none changed after it was applied`)
      : fail(
          'postgres files',
          `changed after they were applied: ${drifted.join(', ')}`,
          'install the package again: it has the original files',
        )
  })
  return [finding]
}

/** Whether anchorage works with this server. */
export function serverOf(facts: ServerFacts, host: string): Finding {
  const says = `PostgreSQL ${facts.version} at ${host}`
  if (facts.isTooOld) return fail('postgres', says, 'anchorage needs Postgres 16 or newer')
  if (facts.encoding !== 'UTF8')
    return fail(
      'postgres',
      `${says}: the encoding of the database is ${facts.encoding}`,
      'create the database again, with encoding UTF8',
    )
  if (facts.readOnly)
    return fail(
      'postgres',
      `${says} takes no writes: it is a standby, or default_transaction_read_only is on`,
      'name the primary in database.url and database.systemUrl',
    )
  return ok('postgres', says)
}

/** Checks for settings that lose pins, and for too few connections for the number of nodes. */
export function settingsOf(facts: ServerFacts, nodes: number, way: Way): Finding[] {
  const found: Finding[] = []
  const unsafe = [facts.fsync ? '' : 'fsync', facts.fullPageWrites ? '' : 'full_page_writes'].filter(Boolean)
  if (unsafe.length > 0)
    found.push(
      fail(
        'postgres settings',
        `${unsafe.join(' and ')} off: accepted pins are lost when the machine loses power`,
        `set ${unsafe.map((name) => `${name} = on`).join(', ')} in postgresql.conf`,
      ),
    )
  if (!facts.autovacuum)
    found.push(
      warn(
        'postgres settings',
        'autovacuum is off: tables grow with every change and slow down',
        'set autovacuum = on in postgresql.conf',
      ),
    )
  const needed = connectionsPerNode * Math.max(nodes, 1)
  // A pooler shares fewer connections among the nodes.
  if (way === 'directly' && facts.maxConnections < needed)
    found.push(
      warn(
        'postgres settings',
        `max_connections is ${facts.maxConnections}, but ${nodes} nodes may open ${needed}`,
        `raise max_connections to ${needed + connectionsPerNode} or more`,
      ),
    )
  return found.length > 0
    ? found
    : [ok('postgres settings', 'accepted pins are durable, and there are connections for every node')]
}

/** Whether this machine and the database agree on the time. */
export function clockOf({ clockAheadMs, tookMs }: ServerFacts): Finding {
  const off = Math.max(0, Math.abs(clockAheadMs) - tookMs / 2)
  const side = clockAheadMs < 0 ? 'ahead of' : 'behind'
  if (off < fineClockMs)
    return ok('clock', `at most ${duration(Math.max(1, Math.ceil(off)))} off the clock of the database`)
  const says = `the clock of this machine is ${duration(off)} ${side} the clock of the database`
  const advice =
    'let NTP set the clocks (chrony, systemd-timesyncd): they decide when tokens and logins expire'
  return off < badClockMs ? warn('clock', says, advice) : fail('clock', says, advice)
}

/** The host as a person would name it. */
function hostOf(url: string): string {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  return host === '' || host.startsWith('%2F') ? 'a socket of this machine' : host
}
