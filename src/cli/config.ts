import { resolveConfig, loadConfig } from '../app/config.ts'
import { storeUrls } from '../app/database-urls.ts'
import { configDocs } from '../app/config-docs.ts'
import { limitsDocs } from '../app/limits-docs.ts'
import { splitFlags } from '../app/config-sources.ts'
import { hstsOf } from '../app/hsts.ts'
import { createLog } from '../app/log.ts'
import { masterKey } from '../app/master-key.ts'
import { identityProviderOf } from '../app/people.ts'
import { clusterPlace } from '../app/nats-cluster.ts'
import { outsideNats } from '../app/outside-nats.ts'
import { isCode } from '../core/errors.ts'
import { metricsDocs } from '../metrics/docs.ts'
import { argumentsOf, noMore } from './arguments.ts'
import { json, table } from './print.ts'
import { WrongUse, type Io } from './verb.ts'

export const usage = `
Usage: anchorage config check [--config FILE] [--OPTION VALUE …]
       anchorage config print [--json] [--config FILE] [--OPTION VALUE …]
       anchorage config docs|limits|metrics

check   tells whether anchorage serve would accept this configuration; exit code 1 when not.
print   shows every option, its value and where it comes from (secrets as ***).
docs    prints the table of all options (docs/config.md is this).
limits  prints every bound that somebody who uses the service can meet (docs/limits.md is this).
metrics prints every metric family that a node shows (docs/metrics.md is this).
`

const pages: Record<string, () => string> = { docs: configDocs, limits: limitsDocs, metrics: metricsDocs }

/** `config check`, `config print`, and the pages that are made of the code: `config docs`, `config limits` and `config metrics`. */
export async function run(argv: string[], io: Io): Promise<number> {
  const { config: flags, rest } = splitFlags(argv)
  const { values, positionals } = argumentsOf(rest, { json: { type: 'boolean' } })
  const [action, ...more] = positionals
  noMore(more)
  if (action === 'check') return await check(flags, io)
  if (action === 'print') return print(flags, values.json ?? false, io)
  const page = Object.hasOwn(pages, action ?? '') ? pages[action ?? ''] : undefined
  if (page === undefined) {
    throw new WrongUse(
      `expected check, print, docs, limits or metrics after config${action === undefined ? '' : `, not ${action}`}`,
    )
  }
  io.out(page())
  return 0
}

async function check(argv: string[], io: Io): Promise<number> {
  const problems: string[] = []
  const note = (error: unknown): void => {
    if (!isCode(error, 'invalid')) throw error
    problems.push(...error.message.split('\n'))
  }
  const config = attempt(() => loadConfig({ argv, env: io.env }), note)
  if (config !== undefined) {
    attempt(() => storeUrls(config), note)
    attempt(() => outsideNats(config), note)
    attempt(() => hstsOf(config), note)
    await masterKey(config).catch(note)
    await identityProviderOf(config).catch(note)
    await clusterPlace(config, '', createLog({ level: 'warn', pretty: true })).catch(note)
  }
  for (const problem of problems) io.err(`${problem}\n`)
  if (problems.length === 0) io.out('the configuration is complete\n')
  return problems.length === 0 ? 0 : 1
}

function attempt<T>(work: () => T, onError: (error: unknown) => void): T | undefined {
  try {
    return work()
  } catch (error) {
    onError(error)
    return undefined
  }
}

function print(argv: string[], asJson: boolean, io: Io): number {
  const resolved = resolveConfig({ argv, env: io.env })
  if (asJson)
    io.out(json(Object.fromEntries(resolved.map(({ key, shown, from }) => [key, { value: shown, from }]))))
  else
    io.out(
      table(
        ['OPTION', 'VALUE', 'FROM'],
        resolved.map(({ key, shown, from }) => [key, shown ?? '', from]),
      ),
    )
  return 0
}
