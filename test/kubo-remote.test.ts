// A world of its own: each caller has a tenth of the usual limit.
import { strict as assert } from 'node:assert'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { lostCid } from '../testing/content.ts'
import { startOutsideKubo, type OutsideKubo } from './outside-kubo.ts'
import { until } from '../testing/settle.ts'
import { World } from '../testing/world/world.ts'

const all = '--status=queued,pinning,pinned,failed'

suite('a real Kubo as client: ipfs pin remote', () => {
  let world: World
  let client: OutsideKubo

  before(async () => {
    // A tenth of a token's usual limit: no client in this suite may ever be rate-limited.
    world = await World.start({ env: { ANCHORAGE_RATE_LIMITS_PER_CALLER: '6000' } })
    process.env.MFS_PIN_POLL_INTERVAL = '1s' // the Kubo inherits it
    client = await startOutsideKubo()
    const { url, token } = await world.api()
    await ok('pin', 'remote', 'service', 'add', 'here', url, token)
  })

  after(async () => {
    await client[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  })

  suite('services', () => {
    test('a base URL with one or two slashes at the end works', async () => {
      const { url, token } = await world.api()
      await ok('pin', 'remote', 'service', 'add', 'slashed', `${url}//`, token)
      await ok('pin', 'remote', 'ls', '--service=slashed')
      await ok('pin', 'remote', 'service', 'rm', 'slashed')
    })

    test('service ls --stat counts pins of each status', async () => {
      const line = (await ok('pin', 'remote', 'service', 'ls', '--stat'))
        .split('\n')
        .find((said) => said.startsWith('here '))
      assert.match(line ?? '', /\d+\/\d+\/\d+\/\d+\s*$/)
    })

    test('a bad token is recognized: stat says invalid, ls shows the reason', async () => {
      await ok('pin', 'remote', 'service', 'add', 'bad', (await world.api()).url, 'not-a-token')
      assert.match(await ok('pin', 'remote', 'service', 'ls', '--stat'), /^bad .*invalid\s*$/m)
      await refused(/reason: ?\S/, 'pin', 'remote', 'ls', '--service=bad')
      await ok('pin', 'remote', 'service', 'rm', 'bad')
    })
  })

  suite('one pin', () => {
    test('a blocking add of content that only this Kubo has ends pinned', async () => {
      const cid = await addFresh(512)
      assert.match(await remote('add', '--name=one', cid), /Status:\s*pinned/)
      assert.match(await remote('ls', '--name=one'), new RegExp(`^${cid}\\s+pinned\\s+one$`, 'm'))
    })

    test('ls --name matches exactly, including upper and lower case', async () => {
      await remote('add', '--name=Exact Name', await addFresh(512))
      assert.equal(await count('--name=Exact Name'), 1)
      assert.equal(await count('--name=Exact'), 0)
      assert.equal(await count('--name=exact name'), 0)
    })

    test('a CIDv0 DAG of several blocks is pinned, and ls --cid finds it and others', async () => {
      const v0 = await addFresh(700_000, '--cid-version=0')
      const v1 = await addFresh(512)
      assert.match(await remote('add', '--name=two', v0), /Status:\s*pinned/)
      assert.match(await remote('add', '--name=two', v1), /Status:\s*pinned/)
      assert.match(await remote('ls', `--cid=${v0}`), new RegExp(`^${v0}\\s+pinned\\s+two`, 'm'))
      assert.equal(await count(`--cid=${v0},${v1}`), 2)
      await remote('rm', `--cid=${v0}`)
      assert.equal(await count('--name=two', all), 1)
    })

    test('content that no peer has waits, is not in a plain ls, and can be removed while it waits', async () => {
      const cid = await addFresh(512, '--only-hash')
      assert.match(await remote('add', '--background', '--name=lost', cid), /Status:\s*(queued|pinning)/)
      assert.equal(await count('--name=lost'), 0)
      assert.equal(await count('--name=lost', '--status=pinned'), 0)
      assert.equal(await count('--name=lost', '--status=queued,pinning'), 1)
      await remote('rm', '--name=lost', '--status=queued,pinning')
      assert.equal(await count('--name=lost', all), 0)
    })

    test('names of 255 bytes, with spaces, special characters and non-ASCII letters work', async () => {
      const cid = await addFresh(512)
      for (const name of ['n'.repeat(255), 'ä & b=c,d #1 ❄']) {
        assert.match(await remote('add', `--name=${name}`, cid), /Status:\s*pinned/)
        assert.equal(await count(`--name=${name}`), 1)
        await remote('rm', `--name=${name}`)
        assert.equal(await count(`--name=${name}`, all), 0)
      }
    })
  })

  suite('many pins', () => {
    test('the same content under the same name twice is two pins, and rm of both asks for --force', async () => {
      const cid = await addFresh(512)
      await remote('add', '--name=twin', cid)
      await remote('add', '--name=twin', cid)
      assert.equal(await count('--name=twin'), 2)
      await refused(/multiple remote pins/, 'pin', 'remote', 'rm', '--service=here', '--name=twin')
      await remote('rm', '--name=twin', '--force')
      assert.equal(await count('--name=twin', all), 0)
    })

    test('25 pins of one name are paged through, each listed once and newest first', async () => {
      const cids = []
      for (let n = 0; n < 25; n++) {
        const cid = await addFresh(512)
        await remote('add', '--background', '--name=page', cid)
        cids.unshift(cid)
      }
      const listed = async (...filters: string[]): Promise<string[]> =>
        linesOf(await remote('ls', '--name=page', ...filters)).map((line) => line.split(/\s/)[0] ?? '')
      assert.deepEqual(await listed(all), cids)
      await until('all 25 are pinned', async () => (await listed()).length === 25, { everyMs: 500 })
      await remote('rm', '--name=page', all, '--force')
      assert.deepEqual(await listed(all), [])
    })
  })

  test('a Kubo with 26 addresses of its own, which sends all of them along, can pin here', async () => {
    const dead = Array.from({ length: 25 }, (_, n) => `/ip4/127.0.0.1/tcp/${65_500 + n}`)
    await client.reconfigure((config) => {
      config['Addresses'] = { ...config['Addresses'], AppendAnnounce: dead }
    })
    const { Addresses }: { Addresses: string[] } = JSON.parse(await client.rpc.call('id'))
    assert.equal(Addresses.length, 26)
    const cid = await addFresh(512)
    assert.match(await remote('add', '--name=many addresses', cid), /Status:\s*pinned/)
    const { results } = await (await world.api()).list({ cid })
    assert.equal(results[0]?.pin.origins?.length, 20)
  })

  suite('the MFS policy', () => {
    test('Kubo pins its root and then replaces that pin whenever the root changes', async () => {
      await policy({ Enable: true, PinName: 'mfs', RepinInterval: '1s' })
      const roots = new Set<string>()
      for (const file of ['one', 'two', 'three']) {
        await ok('files', 'mkdir', '-p', `/${file}`)
        await ok('files', 'flush')
        const root = await ok('files', 'stat', '--hash', '/')
        roots.add(root)
        await until(
          `the root with ${file} is the one pin of that name`,
          async () => {
            const lines = linesOf(await remote('ls', '--name=mfs', all))
            return lines.length === 1 && lines[0]?.startsWith(root)
          },
          { everyMs: 500 },
        )
      }
      assert.equal(roots.size, 3)
      await until('the last root is pinned', async () => (await count('--name=mfs')) === 1)
      await policy({ Enable: false })
      await remote('rm', '--name=mfs', all, '--force')
    })
  })

  suite('what IPFS WebUI asks through it', () => {
    test('fifty pins at a click, a folder of 500 files, and a list of waiting pins every half minute: no request is refused', async () => {
      const files = await Promise.all(Array.from({ length: 500 }, () => lostCid()))
      const pinned = files.slice(0, 50)
      const service: [string, string] = ['service', 'here']
      const add = (cid: string) =>
        client.rpc.call('pin/remote/add', [
          ['arg', cid],
          service,
          ['name', 'clicked'],
          ['background', 'true'],
        ])
      await Promise.all(pinned.map(add))
      const statuses = ['queued', 'pinning', 'pinned', 'failed'].map((one): [string, string] => [
        'status',
        one,
      ])
      const waiting = async (cids: readonly string[]): Promise<number> => {
        let found = 0
        // Ten at a time, the limit of other services.
        for (let at = 0; at < cids.length; at += 10) {
          const batch = cids.slice(at, at + 10).map((cid): [string, string] => ['cid', cid])
          found += linesOf(await client.rpc.call('pin/remote/ls', [service, ...batch, ...statuses])).length
        }
        return found
      }
      assert.equal(await waiting(files), 50)
      for (let halfMinute = 0; halfMinute < 5; halfMinute++) {
        assert.equal(await waiting(pinned), 50)
        const stat = await client.rpc.call('pin/remote/service/ls', [['stat', 'true']])
        assert.match(stat, /"Status": ?"valid"/)
      }
      const { headers } = await (await world.api()).send('GET', '/pins?limit=1')
      assert.equal(headers.get('ratelimit-limit'), '6000')
      assert.ok(Number(headers.get('ratelimit-remaining')) > 3000, 'most of a tenth is left')
      await remote('rm', '--name=clicked', all, '--force')
    })
  })

  test('after everything is removed, no pin is left', async () => {
    await remote('rm', all, '--force')
    assert.equal(await count(all), 0)
    await ok('pin', 'remote', 'service', 'rm', 'here')
  })

  async function ok(...args: string[]): Promise<string> {
    return client.kubo.ipfs(args)
  }

  async function refused(why: RegExp, ...args: string[]): Promise<void> {
    await assert.rejects(client.kubo.ipfs(args), why)
  }

  async function policy(mfs: Record<string, unknown>): Promise<void> {
    await client.reconfigure((config) => {
      const services: { here: object } = JSON.parse(JSON.stringify(config['Pinning']?.['RemoteServices']))
      config['Pinning'] = { RemoteServices: { here: { ...services.here, Policies: { MFS: mfs } } } }
    })
  }

  async function remote(verb: 'add' | 'ls' | 'rm', ...args: string[]): Promise<string> {
    return ok('pin', 'remote', verb, '--service=here', ...args)
  }

  async function count(...filters: string[]): Promise<number> {
    return linesOf(await remote('ls', ...filters)).length
  }

  /** Adds random bytes and resolves with the root; `args` may ask for the hash only. */
  async function addFresh(size: number, ...args: string[]): Promise<string> {
    const how = args.length > 0 ? args : ['--cid-version=1']
    return client.kubo.ipfs(['add', '-Q', '--pin=false', ...how], randomBytes(size))
  }
})

function linesOf(said: string): string[] {
  return said.split('\n').filter(Boolean)
}
