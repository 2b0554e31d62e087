import { options } from './options.ts'

export type ConfigKey = keyof typeof options

/** All option keys, in the order of the table. */
export const configKeys: readonly ConfigKey[] = Object.keys(options).filter(isKey)

/** `pin.maxAge` → `ANCHORAGE_PIN_MAX_AGE`. */
export function variableOf(key: ConfigKey): string {
  return `ANCHORAGE_${words(key, '_').replaceAll('.', '_').toUpperCase()}`
}

/** `pin.maxAge` → `pin.max-age`. */
export function flagOf(key: ConfigKey): string {
  return words(key, '-')
}

/** `give ANCHORAGE_A_B, --a.b or a.b in the config file`, without the flag where it might hold a secret. */
export function howToGive(key: ConfigKey): string {
  const flag = options[key].kind.mayHide ? '' : `, --${flagOf(key)}`
  return `give ${variableOf(key)}${flag} or ${key} in the config file`
}

/**
 * Why a flag must not hold this option's value, and how to give it instead. Every user of a machine can read the flags of all its
 * processes.
 */
export function secretElsewhere(key: ConfigKey): string {
  const file = configKeys.find((candidate) => candidate === `${key}File`)
  const ways = [
    variableOf(key),
    ...(file === undefined ? [] : [`${file} (a file)`]),
    `${key} in the config file`,
  ]
  return (
    'a secret cannot be a flag, since every user of this machine can read flags; give ' +
    `${ways.slice(0, -1).join(', ')} or ${ways.at(-1)}`
  )
}

function words(key: ConfigKey, separator: string): string {
  return key.replace(/[A-Z]/g, (letter) => separator + letter.toLowerCase())
}

/** The key that the flag `--name` sets. */
export function keyOfFlag(name: string): ConfigKey | undefined {
  return configKeys.find((key) => flagOf(key) === name)
}

/** True when the flag `--name` takes no value. */
export function isSwitch(name: string): boolean {
  const key = keyOfFlag(name)
  return key !== undefined && options[key].kind.name === 'true or false'
}

function isKey(key: string): key is ConfigKey {
  return Object.hasOwn(options, key)
}
