import { AnchorageError } from '../core/errors.ts'
import { configKeys, howToGive, secretElsewhere, type ConfigKey } from './keys.ts'
import { options, type Option } from './options.ts'
import { fromEnvironment, fromFile, fromFlags, type Environment, type Source } from './sources.ts'
import { Secret } from './secret.ts'

type Value<K extends ConfigKey> = (typeof options)[K] extends Option<infer T> ? T : never
type Head<T extends string> = T extends `${infer H}.${string}` ? H : T
type Tail<H extends string, T extends string> = T extends `${H}.${infer R}` ? R : never
type Leaf<K extends string> = K extends ConfigKey ? Value<K> : never
type Nested<Prefix extends string, T extends string> = {
  readonly [H in Head<T>]: [Tail<H, T>] extends [never]
    ? Leaf<`${Prefix}${H}`>
    : Nested<`${Prefix}${H}.`, Tail<H, T>>
}
type NestedKnown<Prefix extends string, T extends string> = {
  readonly [H in Head<T>]: [Tail<H, T>] extends [never]
    ? NonNullable<Leaf<`${Prefix}${H}`>>
    : NestedKnown<`${Prefix}${H}.`, Tail<H, T>>
}

/** The options as a nested object: `config.http.listen`. Durations are milliseconds, sizes bytes. */
export type Config = Nested<'', ConfigKey>

/** A `Config` in which the options `K` are known to be set. */
export type ConfigWith<K extends ConfigKey> = Config & NestedKnown<'', K>

/** The sources of the config: flags (only config flags, see `splitFlags`), the environment, and the YAML file that either names. */
export interface ConfigInput {
  argv?: readonly string[]
  env: Environment
}

/** One option after resolution: its value and where the value comes from. */
export interface Resolved {
  key: ConfigKey
  value: unknown
  /** The value as a person may see it: secrets are `***`. */
  shown: string | undefined
  from: string
}

/**
 * The config of this process: flags win over the environment, and the environment wins over the YAML file. Throws one `invalid` that lists
 * every unknown key and every value that does not parse.
 */
export function loadConfig(input: ConfigInput): Config {
  return nest(resolveConfig(input))
}

/** Like `loadConfig`, but flat and with the origin of each value; for `config print`. */
export function resolveConfig({ argv = [], env }: ConfigInput): Resolved[] {
  const flags = fromFlags(argv)
  const variables = fromEnvironment(env)
  const file = flags.file ?? env['ANCHORAGE_CONFIG']
  const yaml: Source = file ? fromFile(file) : { given: new Map(), problems: [] }
  const problems = [...yaml.problems, ...variables.problems, ...flags.problems]

  const resolved = configKeys.map((key): Resolved => {
    const given = flags.given.get(key) ?? variables.given.get(key) ?? yaml.given.get(key)
    const { kind, fallback } = options[key]
    const text = given?.text ?? fallback?.()
    const from = given?.spelling ?? (fallback === undefined ? 'not set' : 'default')
    try {
      const value = text === undefined ? undefined : kind.parse(text)
      if (value instanceof Secret && value.hides && flags.given.has(key))
        problems.push(`${from}: ${secretElsewhere(key)}`)
      const shown = value instanceof Secret || typeof value === 'string' ? String(value) : text
      return { key, value, shown, from }
    } catch (error) {
      problems.push(`${from}: ${error instanceof Error ? error.message : String(error)}`)
      return { key, value: undefined, shown: undefined, from }
    }
  })
  if (problems.length > 0) throw new AnchorageError('invalid', problems.join('\n'))
  return resolved
}

/** Returns the same config, typed as holding `keys`. Throws `invalid` that says how to give each missing one. */
export function requireKeys<K extends ConfigKey>(config: Config, keys: readonly K[]): ConfigWith<K> {
  if (hasKeys(config, keys)) return config
  const missing = keys.filter((key) => valueOf(config, key) === undefined)
  throw new AnchorageError('invalid', missing.map((key) => `${key} is not set: ${howToGive(key)}`).join('\n'))
}

function nest(resolved: Resolved[]): Config {
  const top: Branch = {}
  for (const { key, value } of resolved) {
    const path = key.split('.')
    const name = path.pop() ?? key
    let at = top
    for (const section of path) at = branchOf(at, section)
    at[name] = value
  }
  // The keys and the type both come from the table of options, so they agree.
  return top as Config
}

type Branch = Record<string, unknown>

function branchOf(parent: Branch, section: string): Branch {
  parent[section] ??= {}
  return parent[section] as Branch
}

function hasKeys<K extends ConfigKey>(config: Config, keys: readonly K[]): config is ConfigWith<K> {
  return keys.every((key) => valueOf(config, key) !== undefined)
}

function valueOf(config: Config, key: ConfigKey): unknown {
  let value: unknown = config
  for (const name of key.split('.'))
    value = Object.entries(value ?? {}).find(([known]) => known === name)?.[1]
  return value
}
