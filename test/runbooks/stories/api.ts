import { strict as assert } from 'node:assert'
import type { WirePage, WireStatus } from '../../../testing/clients/api.ts'
import type { Block } from '../../../testing/content.ts'
import type { StandIn } from '../shell.ts'
import type { Stage } from '../stage.ts'
import type { Next } from '../walk.ts'

export async function api(at: Stage, next: Next): Promise<void> {
  const { world, origin } = at
  const [first, second] = [at.offered(), at.offered()]
  const scopes = 'pins:read,pins:write,pins:delete,tokens:manage'
  const token: StandIn = ['$ANCHORAGE_TOKEN', await world.mintToken('dev', scopes, '2d')]
  const of = (content: Block): StandIn[] => [
    token,
    ['bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy', content.cid],
    [/\/dns4\/node\.example\.com[^"\s]+/g, origin],
    ['/orgs/acme/', '/orgs/dev/'],
  ]
  const added: WireStatus = JSON.parse(await next('"anchorage.replicas": "2"', ...of(first)))
  await at.allStands()
  const followed: WireStatus = JSON.parse(await next('/pins/pin_…', token, ['pin_…', added.requestid]))
  assert.deepEqual([followed.status, followed.info?.['replicas']], ['pinned', '2'])
  const page: WirePage = JSON.parse(await next('meta={"album":"2026"}', token))
  assert.deepEqual([page.count, page.results[0]?.requestid], [1, added.requestid])
  const replaced = await next('"name":"photos"', ...of(first), ['pin_…', added.requestid])
  const { requestid }: WireStatus = JSON.parse(replaced)
  assert.notEqual(requestid, added.requestid)
  assert.equal(await next('DELETE', token, ['pin_…', requestid]), '')
  assert.match(await next('anchorage pin add', ...of(second)), /pinned[^]*photos/)
  assert.match(await next('ipfs pin remote', token), new RegExp(second.cid))
  assert.match(await next('"ttlSeconds":86400', ...of(second)), /"token":"[^]*"name":"ci"[^]*"pins"/)
  await at.allStands()
}
