import type { Command } from '@commander-js/extra-typings'
import { maxPinsOfOrg } from '../../core/org.ts'
import type { OrgChange } from '../../core/orgs.ts'
import { maxReplicas } from '../../core/replicas.ts'
import { sizeOf, wholeNumberOf } from '../arguments.ts'

/**
 * Declares the options for the limits of an org. `none` lifts a limit; `default` as the number of copies means the number of the
 * cluster.
 */
export function withOrgOptions(bare: Command) {
  return bare
    .option(
      '--max-pins <N|none>',
      'maximum number of pins, in every status',
      unless('none', wholeNumberOf('--max-pins', 0, maxPinsOfOrg)),
    )
    .option(
      '--max-bytes <SIZE|none>',
      'maximum size of the DAGs of its pins, such as 10GiB. Each copy counts. Content that is being fetched counts as it arrives',
      unless('none', sizeOf('--max-bytes')),
    )
    .option(
      '--max-replicas <N|none>',
      `maximum number of copies that a pin may ask for, 1 to ${maxReplicas}`,
      unless('none', wholeNumberOf('--max-replicas', 1, maxReplicas)),
    )
    .option(
      '--replicas <N|default>',
      'number of copies of a pin that asks for no number. With default, pin.replicas of the config applies',
      unless('default', wholeNumberOf('--replicas', 1, maxReplicas)),
    )
}

type Values = ReturnType<ReturnType<typeof withOrgOptions>['opts']>

/** The changes that the options ask for. */
export function orgChangeOf({ maxPins, maxBytes, maxReplicas: atMost, replicas }: Values): OrgChange {
  return {
    ...(maxPins !== undefined && { maxPins: limit(maxPins) }),
    ...(maxBytes !== undefined && { maxBytes: limit(maxBytes) }),
    ...(atMost !== undefined && { maxReplicas: limit(atMost) }),
    ...(replicas !== undefined && { defaultReplicas: limit(replicas) }),
  }
}

function limit(said: number | 'no number'): number | null {
  return said === 'no number' ? null : said
}

/** Commander treats null as "not given", so the word that means "no number" has a value of its own here. */
function unless(word: string, parse: (text: string) => number): (text: string) => number | 'no number' {
  return (text) => (text === word ? 'no number' : parse(text))
}
