import { hstsOf } from '../config/hsts.ts'
import { pinUseCases } from '../core/pins.ts'
import type { HttpServerOptions } from '../http/server.ts'
import { systemClock as clock } from './clock.ts'
import { loginsOf } from './logins.ts'
import { operators } from './operators.ts'
import { announcing, orgAndTokenUseCases } from './orgs.ts'
import { policyOf } from './placement-policy.ts'
import type { WorkerNeeds } from './workers.ts'

/** The use cases and settings of the HTTP server. */
export async function useCases(
  needs: WorkerNeeds,
  masterKey: Uint8Array,
): Promise<Omit<HttpServerOptions, 'verify' | 'health' | 'scrape'>> {
  const { config, store, nats, pressure, metrics, tracing, log } = needs
  const link = async () => nats.link
  return {
    pins: tracing.pins(
      pinUseCases({
        presence: nats.presence,
        bus: tracing.bus(nats.bus),
        store: metrics.watched(store.pins),
        clock,
        log,
        pressure,
        room: policyOf(config),
        maxMetaBytes: config.pin.maxMeta,
      }),
    ),
    trace: tracing.request,
    onAnswer: metrics.answered,
    onLimit: metrics.refused,
    operator: operators({ config, store, link, log }),
    ...orgAndTokenUseCases({ config, store, masterKey, link, log }),
    logins: await loginsOf({ config, store, masterKey, announce: announcing(link), log }),
    trustProxy: config.http.trustProxy,
    rateLimits: config.rateLimits,
    rates: store.rates,
    hstsMs: hstsOf(config),
    accessLog: config.log.requests,
    limits: { maxConnections: config.http.maxConnections },
    log: log.child({ part: 'http' }),
  }
}
