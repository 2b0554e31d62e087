import { folderId } from '../../app/data-folder.ts'
import { assertOpens, fingerprintOf } from '../../auth/master-key-proof.ts'
import type { Config } from '../../config/config.ts'
import { masterKey } from '../../config/master-key.ts'
import { sharedSettings } from '../../config/shared-settings.ts'
import { isCode } from '../../core/errors.ts'
import { masterKeyAdvice } from '../../core/master-key.ts'
import { bareClaim, mayTake, settingsOfLive } from '../../core/name-claim.ts'
import { differingSettings } from '../../core/shared-settings.ts'
import { thisMachine } from '../../process/identity.ts'
import type { IdentityFacts } from '../../store/inspect.ts'
import { fail, judged, ok, skip, warn, type Finding } from './finding.ts'

/** The subject of the check of the master key. */
export const masterKeyCheck = 'master key'

/** Whether the master key of the config is the cluster's, and opens the key that signs tokens. */
export async function masterKeyOf(config: Config, facts: IdentityFacts): Promise<Finding> {
  const key = await masterKey(config).catch((error: unknown) => {
    if (!isCode(error, 'invalid')) throw error
    return null
  })
  if (key === null) return skip(masterKeyCheck, 'it cannot be read; see the check config')
  return await judged(masterKeyCheck, async () => {
    if (facts.signingKey !== null) assertOpens(key, facts.signingKey)
    return facts.masterKey === null || facts.masterKey === fingerprintOf(key)
      ? ok(masterKeyCheck, 'it is the one of this cluster, and opens the key that signs tokens')
      : fail(masterKeyCheck, 'the nodes started with another auth.masterKey', masterKeyAdvice)
  })
}

/** Whether a process with this config would get the name, and whether the other nodes have the same settings. */
export async function nameOf(config: Config, { nodes }: IdentityFacts): Promise<Finding[]> {
  const { name } = config.node
  const settings = sharedSettings(config)
  const others = settingsOfLive(nodes.filter((node) => node.name !== name))
  const node = await judged('node name', async () => {
    const own = (await folderId(config.data.dir)) ?? 'none yet'
    const claim = { ...bareClaim, folderId: own, machine: thisMachine(), settings }
    const verdict = mayTake(name, claim, nodes)
    return verdict.may === 'refuse'
      ? fail('node name', verdict.reason, null)
      : ok('node name', `${name} is free, or belongs to this machine`)
  })
  return [
    node,
    ...differingSettings(settings, others).map((says) =>
      warn('settings', says, 'give it the same value on all nodes'),
    ),
  ]
}
