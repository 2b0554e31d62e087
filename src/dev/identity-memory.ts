import { LRUCache } from 'lru-cache'
import type { Adapter, AdapterPayload } from 'oidc-provider'

const maxEntries = 10_000

interface Entry {
  kind: string
  id: string
  payload: AdapterPayload
}

/** Keeps one identity provider's logins, codes and tokens in memory until they expire. */
export function identityMemory(): (kind: string) => Adapter {
  const entries = new LRUCache<string, Entry>({ max: maxEntries })
  return (kind) => {
    const keyOf = (id: string) => `${kind} ${id}`
    const findBy = (field: 'uid' | 'userCode', value: string) =>
      [...entries.values()].find((entry) => entry.kind === kind && entry.payload[field] === value)?.payload
    return {
      async upsert(id, payload, expiresIn) {
        const ttl = expiresIn === undefined ? {} : { ttl: expiresIn * 1000 }
        entries.set(keyOf(id), { kind, id, payload }, ttl)
      },
      find: async (id) => entries.get(keyOf(id))?.payload,
      findByUid: async (uid) => findBy('uid', uid),
      findByUserCode: async (code) => findBy('userCode', code),
      async consume(id) {
        const entry = entries.get(keyOf(id))
        if (entry) entry.payload.consumed = Math.floor(Date.now() / 1000)
      },
      destroy: async (id) => void entries.delete(keyOf(id)),
      async revokeByGrantId(grantId) {
        for (const [key, entry] of entries.entries())
          if (entry.kind === kind && entry.payload.grantId === grantId) entries.delete(key)
      },
    }
  }
}
