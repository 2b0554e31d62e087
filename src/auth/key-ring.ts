import { AnchorageError, isCode } from '../core/errors.ts'
import type { Clock, TokenStore } from '../core/ports.ts'
import type { SigningKey } from '../core/token.ts'
import { unwrapKey } from './key-wrap.ts'

/** An unknown `kid` makes the ring look again, but no oftener than this: anyone can invent one. */
const minReloadMs = 3_000
/** After this long a known key is looked up again, so that a retired one stops working. */
const maxAgeMs = 60_000

/** The keys that verify tokens, by `kid`. A `kid` is only ever compared with the ids in this map. */
export interface KeyRing {
  /** Null when no key has this id; `unavailable` when it is not known and the store cannot be asked. */
  readonly secretOf: (kid: string) => Promise<Uint8Array | null>
}

/** A ring that is filled from the store when it is first asked, and whenever it is asked for a key it does not know. */
export function keyRing(options: {
  store: Pick<TokenStore, 'signingKeys'>
  masterKey: Uint8Array
  clock: Pick<Clock, 'now'>
}): KeyRing {
  const { store, masterKey, clock } = options
  let keys = new Map<string, SigningKey>()
  const secrets = new Map<string, Uint8Array>()
  /** When the store last answered; a failure leaves it, so that the next request tries again. */
  let askedAtMs = -Infinity
  let loading: Promise<void> | null = null

  const load = async () => {
    const nowMs = clock.now()
    const rows = await store.signingKeys()
    askedAtMs = nowMs
    keys = new Map(rows.filter((key) => key.state !== 'retired').map((key) => [key.id, key]))
    secrets.clear()
  }
  const reload = () => {
    loading ??= load().finally(() => (loading = null))
    return loading
  }
  const secretOfKnown = (key: SigningKey) => {
    const secret = secrets.get(key.id) ?? unwrapKey(masterKey, key)
    secrets.set(key.id, secret)
    return secret
  }

  return {
    async secretOf(kid) {
      const ageMs = clock.now() - askedAtMs
      if (loading !== null || ageMs > maxAgeMs || (!keys.has(kid) && ageMs > minReloadMs)) {
        try {
          await reload()
        } catch (cause) {
          if (!keys.has(kid)) throw notAsked(cause)
        }
      }
      const key = keys.get(kid)
      return key === undefined ? null : secretOfKnown(key)
    },
  }
}

function notAsked(cause: unknown): AnchorageError {
  if (isCode(cause, 'unavailable')) return cause
  return new AnchorageError('unavailable', 'the signing keys cannot be read just now', { cause })
}
