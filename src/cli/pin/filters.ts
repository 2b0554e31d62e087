import type { Command } from '@commander-js/extra-typings'
import { pinStatuses, nameMatches } from '../../core/pin.ts'
import { oneOf } from '../../config/kinds.ts'
import type { PinFilters } from '../../http/client.ts'
import { many } from '../arguments.ts'
import { WrongUse } from '../verb.ts'
import { withService } from './service.ts'

/** Declares the options that choose pins, the same as in `GET /pins`, for a verb that uses a service. */
export function withFilters(bare: Command) {
  const group = 'Filters:'
  return withService(bare)
    .addOption(bare.createOption('--cid <CID,…>', 'only pins with these CIDs').helpGroup(group))
    .addOption(bare.createOption('--name <NAME>', 'only pins with this name').helpGroup(group))
    .addOption(
      bare
        .createOption('--match <HOW>', 'how the names are compared')
        .choices(nameMatches)
        .argParser((text) => among(text, nameMatches, '--match'))
        .helpGroup(group),
    )
    .addOption(
      bare
        .createOption('--status <STATUS,…>', 'only pins with these statuses')
        .choices(pinStatuses)
        .argParser((text) => text.split(',').map((each) => among(each, pinStatuses, '--status', text)))
        .helpGroup(group),
    )
    .addOption(
      bare
        .createOption('--meta <KEY=VALUE>', 'only pins with this in their metadata; may be given many times')
        .argParser(many)
        .helpGroup(group),
    )
}

/** The values of these options. */
export interface FilterValues {
  cid?: string | undefined
  name?: string | undefined
  match?: (typeof nameMatches)[number] | undefined
  status?: PinFilters['status'] | undefined
  meta?: string[] | undefined
}

/** The filters that the options ask for; without --status, pins of every status match. */
export function filtersOf({ cid, name, match, status, meta = [] }: FilterValues): PinFilters {
  return {
    status: status ?? [...pinStatuses],
    ...(cid === undefined ? {} : { cid: cid.split(',') }),
    ...(name === undefined ? {} : { name }),
    ...(match === undefined ? {} : { match }),
    ...(meta.length === 0 ? {} : { meta: metaOf(meta) }),
  }
}

/** `KEY=VALUE` pairs as an object. */
export function metaOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new WrongUse(`--meta ${pair}: expected KEY=VALUE`)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

function among<T extends string>(given: string, values: readonly T[], what: string, all = given): T {
  try {
    return oneOf(...values).parse(given)
  } catch (error) {
    throw new WrongUse(`${what} ${all}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
