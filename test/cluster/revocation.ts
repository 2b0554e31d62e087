import { strict as assert } from 'node:assert'
import { suite, test } from 'node:test'
import { apiOf, refusalOf } from '../../testing/clients/api.ts'
import { until } from '../../testing/settle.ts'
import type { ClusterStage } from './stage.ts'

/** `src/auth/tokens.test.ts` shows on a fake clock that both take less than two seconds, with and without a message. */
export function revocation(at: ClusterStage): void {
  suite('a suspended org', () => {
    test('is refused with the reason by every node that accepted its token before, and is accepted again once it is resumed', async () => {
      await at.world.anchorage('admin', 'create-org', 'stopped')
      const args = ['--org', 'stopped', '--scopes', 'pins:read', '--ttl', '1h']
      const { token } = await at.world.admin<{ token: string }>('mint-token', ...args)
      const ask = async (n: number): Promise<number> => {
        const answer = await apiOf((await at.world.api(n)).url, token).send('GET', '/pins')
        if (answer.status !== 200) assert.match(refusalOf(answer, 403).details, /suspended: reported/)
        return answer.status
      }
      for (const n of at.world.nodes) assert.equal(await ask(n), 200)
      await at.world.anchorage('admin', 'suspend-org', 'stopped', '--reason', 'reported')
      for (const n of at.world.nodes) await until(`node ${n} refuses it`, async () => (await ask(n)) === 403)
      await at.world.anchorage('admin', 'resume-org', 'stopped')
      for (const n of at.world.nodes) await until(`node ${n} serves it`, async () => (await ask(n)) === 200)
    })
  })

  suite('a revoked token', () => {
    test('is refused by every node that accepted it before', async () => {
      await at.world.anchorage('admin', 'create-org', 'revoked')
      const args = ['--org', 'revoked', '--scopes', 'pins:read', '--ttl', '1h']
      const { token, id } = await at.world.admin<{ token: string; id: string }>('mint-token', ...args)
      const ask = async (n: number): Promise<number> => {
        const answer = await apiOf((await at.world.api(n)).url, token).send('GET', '/pins')
        if (answer.status !== 200) assert.match(refusalOf(answer, 401).details, /revoked/)
        return answer.status
      }
      for (const n of at.world.nodes) assert.equal(await ask(n), 200)
      await at.world.anchorage('admin', 'revoke-token', id)
      for (const n of at.world.nodes) await until(`node ${n} refuses it`, async () => (await ask(n)) === 401)
    })
  })
}
