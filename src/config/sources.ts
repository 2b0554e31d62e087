import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { AnchorageError } from '../core/errors.ts'
import { configKeys, flagOf, isSwitch, keyOfFlag, variableOf, type ConfigKey } from './keys.ts'
import { didYouMean } from './nearest.ts'

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** An option as one source (file, environment or flags) gives it: its text, and how it is spelled there, for error messages. */
export interface Given {
  text: string
  spelling: string
}
export type Source = { given: Map<ConfigKey, Given>; problems: string[] }

/** Variables that are the CLI's own, not options. */
const otherVariables = ['ANCHORAGE_URL', 'ANCHORAGE_TOKEN', 'ANCHORAGE_CONFIG']

/** Splits a command line into config flags (those of the table of options, and `--config FILE`) and the rest, which belongs to the verb. */
export function splitFlags(argv: readonly string[]): { config: string[]; rest: string[] } {
  const config: string[] = []
  const rest: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? ''
    if (arg === '--') {
      rest.push(...argv.slice(i))
      break
    }
    const name = /^--([^=]+)/.exec(arg)?.[1]
    const ours =
      name !== undefined && (name === 'config' || keyOfFlag(name) !== undefined || name.includes('.'))
    ;(ours ? config : rest).push(arg)
    const takesNext = ours && !arg.includes('=') && !isSwitch(name)
    if (takesNext && i + 1 < argv.length) config.push(argv[++i] ?? '')
  }
  return { config, rest }
}

/** The options that are given as flags, and the file that `--config` names. */
export function fromFlags(argv: readonly string[]): Source & { file: string | undefined } {
  const source: Source = { given: new Map(), problems: [] }
  let file: string | undefined
  for (let i = 0; i < argv.length; i++) {
    const [, name, inline] = /^--([^=]+)(?:=(.*))?$/s.exec(argv[i] ?? '') ?? []
    const key = name === undefined ? undefined : keyOfFlag(name)
    if (name === undefined || (name !== 'config' && key === undefined)) {
      const known = [...configKeys.map((candidate) => `--${flagOf(candidate)}`), '--config']
      source.problems.push(
        `unknown flag ${name === undefined ? argv[i] : `--${name}`}${didYouMean(`--${name ?? argv[i]}`, known)}`,
      )
      // The next word is the unknown flag's value: do not report it as a second mistake.
      if (inline === undefined && argv[i + 1]?.startsWith('--') === false) i++
      continue
    }
    const text = inline ?? (isSwitch(name) ? 'true' : argv[++i])
    if (text === undefined) source.problems.push(`--${name}: expected a value after it`)
    else if (key === undefined) file = text
    else source.given.set(key, { text, spelling: `--${name}` })
  }
  return { ...source, file }
}

/** The options that the environment gives; an empty variable counts as not given. */
export function fromEnvironment(env: Environment): Source {
  const source: Source = { given: new Map(), problems: [] }
  const keys = new Map(configKeys.map((key) => [variableOf(key), key]))
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('ANCHORAGE_') || otherVariables.includes(variable)) continue
    const key = keys.get(variable)
    if (key === undefined) {
      source.problems.push(
        `unknown variable ${variable}${didYouMean(variable, [...keys.keys(), ...otherVariables])}`,
      )
    } else if (text !== undefined && text !== '') {
      source.given.set(key, { text, spelling: variable })
    }
  }
  return source
}

/** The options that a YAML file gives; its keys are nested as `a: {bCd: …}`. */
export function fromFile(file: string): Source {
  const source: Source = { given: new Map(), problems: [] }
  const document = parseDocument(readConfigFile(file))
  const [broken] = document.errors
  if (broken !== undefined) {
    const where = broken.linePos === undefined ? '' : `:${broken.linePos[0].line}`
    return { ...source, problems: [`${file}${where}: ${broken.message.split('\n')[0]}`] }
  }
  const top: unknown = document.toJS() ?? {}
  for (const [path, value] of leaves(top, '')) {
    const key = configKeys.find((candidate) => candidate === path)
    const text = Array.isArray(value) ? value.join(',') : String(value)
    if (key === undefined) source.problems.push(`${file}: ${unknownKey(path)}`)
    else source.given.set(key, { text, spelling: `${file}: ${key}` })
  }
  return source
}

/** The message about a key that is not an option, with the options of its section. */
function unknownKey(path: string): string {
  const below = keysBelow(path)
  if (below.length > 0)
    return (
      `${path} is a section, not an option; it contains ${below.join(', ')}: write ${path}: { ` +
      `${below[0]}: … }`
    )
  const near = didYouMean(path, configKeys)
  const section = path.replace(/\.[^.]*$/, '')
  const beside = near === '' && section !== path ? keysBelow(section) : []
  const held = beside.length > 0 ? `; the section ${section} contains ${beside.join(', ')}` : ''
  return `unknown key ${path}${near}${held}`
}

/** The names of a section's options, relative to the section. */
function keysBelow(section: string): string[] {
  return configKeys.flatMap((key) => (key.startsWith(`${section}.`) ? [key.slice(section.length + 1)] : []))
}

function readConfigFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AnchorageError('invalid', `the config file cannot be read: ${why}`, { cause })
  }
}

/** The values of a YAML document with their dotted paths; keys without a value count as not given. */
function* leaves(node: unknown, path: string): Iterable<[string, unknown]> {
  if (node === null || node === undefined) return
  if (typeof node !== 'object' || Array.isArray(node)) {
    yield [path === '' ? '(top level)' : path, node]
    return
  }
  for (const [name, child] of Object.entries(node))
    yield* leaves(child, path === '' ? name : `${path}.${name}`)
}
