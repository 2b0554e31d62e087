import type { OrgChange } from '../../core/org-use-cases.ts'
import { maxPinsOfOrg } from '../../core/org.ts'
import { maxReplicas } from '../../core/replicas.ts'
import { sizeOf, wholeNumberOf } from '../arguments.ts'

/** The options that say what an org may have. */
export const orgOptions = {
  'max-pins': { type: 'string' },
  'max-bytes': { type: 'string' },
  'max-replicas': { type: 'string' },
  replicas: { type: 'string' },
} as const

/** How their usage explains them. */
export const orgOptionsUsage = `
--max-pins N      pins that it may have, whatever their status
--max-bytes SIZE  bytes of the DAGs of its pins, such as 10GiB, each once a copy; what is under way counts as it arrives
--max-replicas N  copies that one of its pins may ask for, 1 to ${maxReplicas}
--replicas N      on how many nodes content stands when a pin does not say; without it, pin.replicas of the config holds
`.trim()

/** What the options change; `none` lifts a limit, and `default` as a number of copies is that of the cluster. */
export function orgChangeOf(values: { [Option in keyof typeof orgOptions]?: string | undefined }): OrgChange {
  const number = (name: keyof typeof orgOptions, free: string, parse: (text: string) => number) => {
    const text = values[name]
    if (text === undefined) return undefined
    return text === free ? null : parse(text)
  }
  const copies = (flag: string) => (text: string) => wholeNumberOf(text, flag, 1, maxReplicas)
  const set = {
    maxPins: number('max-pins', 'none', (text) => wholeNumberOf(text, '--max-pins', 0, maxPinsOfOrg)),
    maxBytes: number('max-bytes', 'none', (text) => sizeOf(text, '--max-bytes')),
    maxReplicas: number('max-replicas', 'none', copies('--max-replicas')),
    defaultReplicas: number('replicas', 'default', copies('--replicas')),
  }
  return {
    ...(set.maxPins !== undefined && { maxPins: set.maxPins }),
    ...(set.maxBytes !== undefined && { maxBytes: set.maxBytes }),
    ...(set.maxReplicas !== undefined && { maxReplicas: set.maxReplicas }),
    ...(set.defaultReplicas !== undefined && { defaultReplicas: set.defaultReplicas }),
  }
}
