import { options } from './config-options.ts'

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

/** `give ANCHORAGE_A_B, --a.b or a.b in the config file`. */
export function howToGive(key: ConfigKey): string {
  return `give ${variableOf(key)}, --${flagOf(key)} or ${key} in the config file`
}

function words(key: ConfigKey, separator: string): string {
  return key.replace(/[A-Z]/g, (letter) => separator + letter.toLowerCase())
}

/** The key that the flag `--name` sets. */
export function keyOfFlag(name: string): ConfigKey | undefined {
  return configKeys.find((key) => flagOf(key) === name)
}

/** True when the flag `--name` stands alone, without a value after it. */
export function isSwitch(name: string): boolean {
  const key = keyOfFlag(name)
  return key !== undefined && options[key].kind.name === 'true or false'
}

function isKey(key: string): key is ConfigKey {
  return Object.hasOwn(options, key)
}
