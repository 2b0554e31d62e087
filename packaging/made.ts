import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Component } from './components.ts'
import { exampleConfig } from './example-config.ts'
import { commandPage, configPage, type Edition } from './man.ts'
import { scriptFor } from '../src/cli/completion/script-for.ts'
import { everyVerb } from '../src/cli/completion/words.ts'
import { verbs } from '../src/cli/verbs.ts'
import { copyright } from './sbom.ts'

const root = join(import.meta.dirname, '..')

/** The packaged files that are generated from the program's own tables, by their path. */
export async function madeFiles(edition: Edition, parts: readonly Component[]): Promise<Map<string, string>> {
  const own = (name: string): Promise<string> => readFile(join(root, name), 'utf8')
  const terms = `${await own('LICENSE-MIT')}\n\n${await own('LICENSE-APACHE')}`
  return new Map([
    ['anchorage.yaml', exampleConfig()],
    ['man/man1/anchorage.1.gz', commandPage(await everyVerb(verbs), edition)],
    ['man/man5/anchorage-config.5.gz', configPage(edition)],
    ['completions/anchorage.bash', await scriptFor('bash', verbs)],
    ['completions/anchorage.fish', await scriptFor('fish', verbs)],
    ['completions/_anchorage', await scriptFor('zsh', verbs)],
    ['doc/copyright', copyright(`anchorage: MIT OR Apache-2.0, as you choose.\n\n${terms}`, parts)],
    ['doc/changelog.gz', await own('CHANGELOG.md')],
  ])
}
