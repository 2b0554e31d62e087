import type { ParseArgsOptionsConfig } from 'node:util'
import { loadConfig } from '../app/config.ts'
import { configKeys, flagOf } from '../app/config-keys.ts'
import { splitFlags } from '../app/config-sources.ts'
import { argumentsOf } from './arguments.ts'
import type { Io } from './verb.ts'

/** As `argumentsOf`, for a verb that also takes every config option as a flag. Apart from it, since the options take long to load. */
export function configArgumentsOf<O extends ParseArgsOptionsConfig>(argv: string[], options: O, io: Io) {
  const { config, rest } = splitFlags(argv)
  const parsed = argumentsOf(rest, options, configKeys.map(flagOf))
  return { ...parsed, config: loadConfig({ argv: config, env: io.env }) }
}
