import { isCode } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import type { Config } from './config.ts'
import { storeUrls } from './database-urls.ts'
import { hstsOf } from './hsts.ts'
import { masterKey } from './master-key.ts'
import { clusterPlace } from './nats-cluster.ts'
import { outsideNats } from './outside-nats.ts'
import { oidcOf } from './oidc.ts'

/**
 * The reasons why `anchorage serve` would refuse this config, each with what to do. Reads the files that the config names, but contacts no
 * server.
 */
export async function configProblems(config: Config, log: Log): Promise<string[]> {
  const steps: (() => unknown)[] = [
    () => storeUrls(config),
    () => outsideNats(config),
    () => hstsOf(config),
    () => masterKey(config),
    () => oidcOf(config),
    () => clusterPlace(config, '', log),
  ]
  const problems: string[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      if (!isCode(error, 'invalid')) throw error
      problems.push(...error.message.split('\n'))
    }
  }
  return problems
}
