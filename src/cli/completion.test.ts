import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { scriptFor } from './completion/script-for.ts'
import { everyVerb } from './completion/words.ts'
import { main } from './main.ts'
import { verbs } from './verbs.ts'

const bash = await scriptFor('bash', verbs)

test('bash completes groups, verbs, actions and options', () => {
  assert.deepEqual(complete('mig'), ['migrate'])
  assert.deepEqual(complete('admin', 'dra'), ['drain'])
  assert.deepEqual(complete('migrate', ''), ['up', 'status', ...complete('migrate', '--')])
  assert.deepEqual(complete('pin', 'add', 'bafy', '--na'), ['--name'])
  assert.deepEqual(complete('serve', '--pin.max-a'), ['--pin.max-age'])
  assert.deepEqual(complete('serve', '--database.url'), [''])
  assert.deepEqual(complete('nothing', ''), [''])
})

test('bash completes values and global options, before and after a verb, and nothing where a free value is expected', () => {
  assert.deepEqual(complete('completion', ''), ['bash', 'zsh', 'fish', ...complete('completion', '--')])
  assert.deepEqual(complete('pin', 'ls', '--match', ''), ['exact', 'iexact', 'partial', 'ipartial'])
  assert.deepEqual(complete('admin', 'set-member', 'acme', 'usr_1', 'o'), ['owner'])
  assert.deepEqual(complete('--json', 'admin', 'nod'), ['nodes'])
  assert.deepEqual(complete('admin', 'nodes', '--w'), ['--watch', '--wide'])
  assert.deepEqual(complete('admin', 'tokens', 'acme', '--limit', ''), [''])
  assert.deepEqual(
    complete('pin', 'ls', '--token', '--tok'),
    ['--token-file'],
    'one that is refused is not offered',
  )
})

test('every verb is in the completions of every shell', async () => {
  const known = await everyVerb(verbs)
  for (const text of [bash, await scriptFor('zsh', verbs)])
    for (const { name } of known) assert.ok(text.includes(`'${name}' | '${name} '*)`), name)
  const fish = await scriptFor('fish', verbs)
  for (const { name } of known) assert.ok(fish.includes(`'__anchorage_after ${name}' -l help`), name)
})

test('completion prints the script of the named shell', async () => {
  const printed = await run('completion', 'bash')
  assert.deepEqual(printed, { code: 0, stdout: bash, stderr: '' })
  const wrong = await run('completion', 'tcsh')
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /expected bash, zsh or fish after completion, not tcsh/)
})

/** The completions that a real bash offers for the last of these words. */
function complete(...words: string[]): string[] {
  const script = `${bash}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _anchorage; echo "\${COMPREPLY[*]}"`
  return execFileSync('bash', ['-c', script, 'bash', 'anchorage', ...words], { encoding: 'utf8' })
    .trim()
    .split(' ')
}

async function run(...argv: string[]) {
  const written = { stdout: '', stderr: '' }
  const code = await main(argv, {
    env: {},
    out: (text) => (written.stdout += text),
    err: (text) => (written.stderr += text),
    terminal: null,
    signal: new AbortController().signal,
  })
  return { code, ...written }
}
