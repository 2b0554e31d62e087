import { AnchorageError, isCode } from '../core/errors.ts'
import { idOrNull } from '../core/ids.ts'
import type { SteadyClock, TokenStore } from '../core/ports.ts'
import type { SigningKey } from '../core/token.ts'
import { unwrapKey } from './key-wrap.ts'

/** The shortest time between two reads of the store. Any client can invent a key id, and an unknown id causes a read. */
const minReadMs = 250
/** The keys are read again once the last read is older than this, so that a retired key stops working. */
const maxAgeMs = 60_000

/** The keys that verify tokens, by `kid`. A `kid` is only ever compared with the ids in this map. */
export interface KeyRing {
  /**
   * Null when no key has this id. Only a read of the store that began after the call can say so, since another node may have made the key a
   * moment ago. Rejects with `unavailable` when the key is not known and the store cannot be read.
   */
  readonly secretOf: (kid: string) => Promise<Uint8Array | null>
}

/** Reads the keys from the store at the first call, and whenever a call names a key that it does not know. */
export function keyRing(options: {
  store: Pick<TokenStore, 'signingKeys'>
  masterKey: Uint8Array
  clock: SteadyClock
}): KeyRing {
  const { store, masterKey, clock } = options
  let keys = new Map<string, SigningKey>()
  const secrets = new Map<string, Uint8Array>()
  let startedAtMs = -Infinity
  /** When the last successful read of the store began. */
  let askedAtMs = -Infinity
  let reading: Promise<void> = Promise.resolve()
  let next: Promise<void> | null = null

  const read = async () => {
    const nowMs = (startedAtMs = clock.steadyMs())
    const rows = await store.signingKeys()
    askedAtMs = nowMs
    keys = new Map(rows.filter((key) => key.state !== 'retired').map((key) => [key.id, key]))
    secrets.clear()
  }
  /** Starts one more read of the store. All callers that come before it begins share it. */
  const readAnew = () => {
    next ??= (async () => {
      await reading.catch(() => undefined)
      const restMs = startedAtMs + minReadMs - clock.steadyMs()
      if (restMs > 0) await clock.sleep(restMs, new AbortController().signal)
      next = null
      reading = read()
      await reading
    })()
    return next
  }
  const secretOfKnown = (key: SigningKey) => {
    const secret = secrets.get(key.id) ?? unwrapKey(masterKey, key)
    secrets.set(key.id, secret)
    return secret
  }

  return {
    async secretOf(kid) {
      if (idOrNull('key', kid) !== kid) return null
      if (!keys.has(kid) || clock.steadyMs() - askedAtMs > maxAgeMs) {
        try {
          await readAnew()
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
  return new AnchorageError('unavailable', 'the signing keys cannot be read at the moment; try again', {
    cause,
  })
}
