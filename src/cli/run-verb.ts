import assert from 'node:assert/strict'
import { declared, takesConfig } from './declared.ts'
import type { Io } from './verb.ts'
import { verbs } from './verbs.ts'

/** Runs one verb with the words after its name, or prints its help. Returns the exit code. */
export async function runVerb(name: string, words: readonly string[], io: Io): Promise<number> {
  const entry = verbs[name]
  assert(entry)
  const { command, run } = await declared(name, entry)
  if (wantsHelp(words)) {
    const { helpOf } = await import('./help.ts')
    io.out(helpOf(command, io.terminal?.columns ?? null, io.paint.isColorSupported))
    return 0
  }
  const { parse } = await import('./parse.ts')
  if (!takesConfig(command)) {
    parse(command, words)
    return (await run(io)) ?? 0
  }
  const [{ splitFlags }, { configKeys, flagOf }] = await Promise.all([
    import('../config/sources.ts'),
    import('../config/keys.ts'),
  ])
  const { config, rest } = splitFlags(words)
  parse(
    command,
    rest,
    configKeys.map((key) => `--${flagOf(key)}`),
  )
  return (await run({ ...io, configFlags: config })) ?? 0
}

/** Whether help is asked for; words after `--` do not count. */
export function wantsHelp(words: readonly string[]): boolean {
  const end = words.indexOf('--')
  return words.slice(0, end < 0 ? words.length : end).some((word) => word === '--help' || word === '-h')
}
