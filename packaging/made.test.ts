import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { configKeys } from '../src/config/keys.ts'
import { resolveConfig } from '../src/config/config.ts'
import { everyVerb } from '../src/cli/completion/words.ts'
import { verbs } from '../src/cli/verbs.ts'
import { exampleConfig } from './example-config.ts'
import { commandPage, configPage } from './man.ts'

const known = await everyVerb(verbs)
const edition = { version: '1.2.3-rc.1', epoch: 0 }

test('the installed config is accepted as it is, and with every default that it shows', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'anchorage-config-'))
  const file = join(dir, 'anchorage.yaml')
  const text = exampleConfig()
  for (const key of configKeys) assert.match(text, new RegExp(`^(# )?${key.replaceAll('.', '\\.')}:`, 'm'))
  for (const shown of [text, text.replaceAll(/^# ([a-z]\w*\.[\w.]+:)/gim, '$1')]) {
    await writeFile(file, shown)
    const resolved = resolveConfig({ argv: ['--config', file], env: {} })
    assert.equal(resolved.find(({ key }) => key === 'data.dir')?.value, '/var/lib/anchorage')
  }
  await rm(dir, { recursive: true })
})

test('the manual pages describe every verb and every option', () => {
  const [verbs, options] = [commandPage(known, edition), configPage(edition)]
  for (const { name } of known)
    assert.match(verbs, new RegExp(`^\\.SS anchorage ${name.replaceAll('-', '\\\\-')}$`, 'm'))
  for (const key of configKeys) assert.ok(options.includes(`.BR ${key} `), key)
  assert.equal(verbs.match(/\\-\\-no\\-color /g)?.length, 1, 'what every verb has is told once')
  // A line that begins with a dot or a quote is a request to roff, even when it was meant as text.
  const requests = /^[.'](?!TH |SH |SS |TP$|PP$|B |I |BR |RI |nf$|fi$|br$|\\")/m
  assert.doesNotMatch(verbs, requests)
  assert.doesNotMatch(options, requests)
})
