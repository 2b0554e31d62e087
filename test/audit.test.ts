// A world of its own: it kills Postgres, and reads every line that is added to the audit.
import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { ask } from './authz/ask.ts'
import { stage, type Stage } from './authz/stage.ts'
import { until } from '../testing/settle.ts'

/**
 * `authz.test.ts` checks what routes write to the audit. This suite checks everything else that writes to it, and what must never be
 * written.
 */
suite('who did what', () => {
  let at: Stage

  before(async () => {
    at = await stage()
  })
  after(() => at[Symbol.asyncDispose]())

  interface Entry {
    id: string
    action: string
    actor: string
    target: string
    details: unknown
  }

  /** The lines that were added to the audit during `work`, without those about placements. */
  async function during(work: () => Promise<unknown>): Promise<Entry[]> {
    const { rows: old } = await at.system.query<{ id: string }>('select id from audit_log')
    const known = new Set(old.map(({ id }) => id))
    await work()
    const { rows } = await at.system.query<Entry>(
      `select id, action, actor, target, details from audit_log where action not like 'placement.%' order by at, id`,
    )
    return rows.filter(({ id }) => !known.has(id))
  }

  const did = (entries: Entry[]): string[] =>
    entries.map(({ actor, action }) => `${actor.replace(/^operator:[^@]+@.+/, 'somebody')} ${action}`)
  const verb = (...args: string[]) => during(() => at.world.anchorage('admin', ...args))

  test('every verb of an operator adds its line, and a verb that changes nothing adds none', async () => {
    const node = at.nodeId
    const { id } = await at.cast.token(at.mine.id, ['pins:read'])
    const steps: [string[], string[]][] = [
      [['create-org', 'audited', '--max-pins', '10'], ['org.create']],
      [['set-org', 'audited', '--max-pins', '20'], ['org.set']],
      [['set-member', 'audited', at.mine.extra, 'member'], ['member.set']],
      [['set-member', 'audited', at.mine.extra, 'member'], []],
      [['set-member', 'audited', at.mine.extra, 'none'], ['member.remove']],
      [['suspend-org', 'audited', '--reason', 'audit'], ['org.suspend']],
      [['suspend-org', 'audited', '--reason', 'audit'], []],
      [['resume-org', 'audited'], ['org.resume']],
      [['resume-org', 'audited'], []],
      [['mint-token', '--org', 'audited', '--scopes', 'pins:read', '--ttl', '1h'], ['token.create']],
      [['revoke-token', id], ['token.revoke']],
      [['revoke-token', id], []],
      [['rotate-key'], ['key.rotate']],
      [['maintenance', 'on', '--reason', 'audit', '--ttl', '5m'], ['maintenance.on']],
      [['maintenance', 'status'], []],
      [['maintenance', 'off'], ['maintenance.off']],
      [['maintenance', 'off'], []],
      [['rebalance', '--dry-run'], ['plan.create']],
      [['nodes'], []],
      [['orgs'], []],
      [['audit'], []],
      [['prune-denylist'], []],
      [['drain', node, '--no-wait'], ['node.drain']],
      [['drain', node, '--no-wait'], []],
      [['uncordon', node], ['node.uncordon']],
      [['uncordon', node], []],
    ]
    for (const [args, actions] of steps) {
      const entries = await verb(...args)
      assert.deepEqual(
        // the leader adds the line about the drained node
        did(entries).filter((line) => !line.endsWith('node.drained')),
        actions.map((action) => `somebody ${action}`),
        args.join(' '),
      )
    }
  })

  test('a login adds lines for the person, for changed roles and for ended tokens', async () => {
    const { slug } = at.mine
    const login = (roles: { slug: string; role: 'viewer' | 'member' }[], operator = false) =>
      during(() => at.cast.person('comes-and-goes', roles, operator))
    const first = await login([{ slug, role: 'member' }])
    const person = first[0]?.actor ?? assert.fail('no one logged in')
    const by = (...actions: string[]) => actions.map((action) => `${person} ${action}`)
    assert.deepEqual(did(first), by('user.create', 'member.set', 'session.create'))
    const { userId } = await at.cast.person('comes-and-goes', [{ slug, role: 'member' }])
    await at.cast.token(at.mine.id, ['pins:write'], userId)
    assert.deepEqual(did(await login([{ slug, role: 'member' }])), by('session.create'))
    assert.deepEqual(
      did(await login([{ slug, role: 'viewer' }], true)),
      by('user.set', 'member.set', 'token.revoke', 'session.create'),
    )
    assert.deepEqual(did(await login([])), by('user.set', 'member.remove', 'session.create'))
  })

  test('removing a member ends the tokens it made, and those made with them, each with its line', async () => {
    const { userId } = await at.cast.person('maker', [{ slug: at.mine.slug, role: 'member' }])
    const made = await at.cast.token(at.mine.id, ['tokens:manage', 'pins:read'], userId)
    const child = await at.cast.token(at.mine.id, ['pins:read'], made.id, 60_000)
    const entries = await during(() =>
      at.minting.store.orgs.removeMember(at.mine.id, userId, { name: 'operator', owners: false }),
    )
    assert.deepEqual(did(entries).toSorted(), [
      'operator member.remove',
      'operator token.revoke',
      'operator token.revoke',
    ])
    const targets = new Set(entries.map(({ target }) => target))
    assert.deepEqual(targets, new Set([userId, made.id, child.id]))
  })

  test('the database roles that serve requests can neither change nor remove a line', async () => {
    for (const statement of ['update audit_log set actor = $1', 'delete from audit_log where actor = $1'])
      await assert.rejects(at.system.query(statement, ['x']), /permission denied/)
    await assert.rejects(at.system.query('truncate audit_log'), /permission denied/)
  })

  test('no token, cookie or key is in any log or in the audit, even when everything fails', async () => {
    const secrets = [...at.cast.secrets]
    const headers = [...at.principals.values(), ...at.refused].map((principal) => principal.headers)
    const everywhere = async (): Promise<void> => {
      for (const each of headers) {
        await ask(`${at.url}/v1/pins`, 'GET', each)
        await ask(`${at.url}/v1/tokens`, 'POST', each, { name: 'x', scopes: ['pins:read'] })
        await ask(`${at.url}/v1/auth/session?code=${at.mine.token}`, 'GET', each)
      }
    }
    await everywhere()
    const pid = await at.world.kill('postgres')
    await everywhere()
    await at.world.restarted('postgres', pid)
    await until('it serves again', async () => (await ask(`${at.url}/v1/ready`, 'GET', {})).status === 200)
    const lines = (await at.world.nodeLog()).filter(({ level }) => level !== 'info')
    assert.ok(lines.length > 0, 'there was something to log')
    const env = await at.world.env()
    secrets.push(env['ANCHORAGE_TOKEN'] ?? assert.fail(), await masterKey(at))
    const logs = await at.world.logs()
    const audit = JSON.stringify(await at.minting.store.operator.audit({ limit: 10_000 }))
    for (const secret of secrets) {
      const telling = secret.split('.').at(-1) ?? secret
      assert.ok(!logs.includes(telling), `a log has ${telling.slice(0, 8)}…`)
      assert.ok(!audit.includes(telling), `the audit has ${telling.slice(0, 8)}…`)
    }
    const stored = await everyRow(env['DATABASE_SYSTEM_URL'] ?? assert.fail())
    for (const secret of secrets) {
      const telling = secret.split('.').at(-1) ?? secret
      assert.ok(!stored.includes(telling), `a table has ${telling.slice(0, 8)}…`)
    }
    assert.ok(stored.includes('token.create'), 'the tables were read')
    assert.ok(logs.includes('requestId'), 'requests were logged')
    assert.ok(logs.includes('a connection to Postgres was lost'), 'so were connections')
    assert.ok(!logs.includes('secretKey'), 'but not what they are made of')
  })
})

/** The content of the whole database, as text. */
async function everyRow(systemUrl: string): Promise<string> {
  const system = new pg.Client(systemUrl)
  await system.connect()
  const { rows: tables } = await system.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
       and has_table_privilege(c.oid, 'select')`,
  )
  assert.ok(tables.length > 15)
  const texts = []
  for (const { name } of tables)
    texts.push(...(await system.query<{ text: string }>(`select t::text as text from ${name} t`)).rows)
  await system.end()
  return texts.map(({ text }) => text).join('\n')
}

async function masterKey({ world }: Stage): Promise<string> {
  return (await readFile(join(world.data, 'master.key'), 'utf8')).trim()
}
