import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const repo = join(import.meta.dirname, '..')

/** Commands that a page tells its reader to type. */
export interface Block {
  page: string
  /** The line of the opening fence, from 1. */
  line: number
  /** The machines on which they are typed, one after the other, from the fence: `sh on anchor-2`, `sh on each`; by default the first. */
  machines: readonly number[]
  /** Why no test runs it, from the fence: `sh not-run: REASON`; null for blocks that run. */
  notRun: string | null
  text: string
}

const fence = /^( *)```sh\b *(?<info>.*)\n(?<text>[\s\S]*?)^\1```$/gm

/** The first block of `language` on a page, such as a config that its reader writes. */
export function textIn(page: string, language: 'sql' | 'yaml'): string {
  const found = new RegExp(`^( *)\`\`\`${language}\\n(?<text>[^]*?)^\\1\`\`\`$`, 'm').exec(read(page))
  assert.ok(found, `${page} has no ${language}`)
  return outdented(found.groups?.['text'] ?? '')
}

/** The commands of a page, in order. Throws on a fence with any other text than where they run, or why not. */
export function blocksOf(page: string): Block[] {
  const source = read(page)
  return [...source.matchAll(fence)].map((match) => {
    const { info = '', text = '' } = match.groups ?? {}
    const line = source.slice(0, match.index).split('\n').length
    const said = /^(?:on (?:anchor-(?<machine>[1-3])|(?<each>each))|not-run: (?<why>.{10,})|)$/.exec(info)
    assert.ok(
      said,
      `${page}:${line}: a fence says "on anchor-N", "on each" or "not-run: REASON", not "${info}"`,
    )
    const { machine = '1', each, why = null } = said.groups ?? {}
    return {
      page,
      line,
      machines: each === undefined ? [Number(machine)] : [1, 2, 3],
      notRun: why,
      text: outdented(text),
    }
  })
}

function read(page: string): string {
  return readFileSync(join(repo, page), 'utf8')
}

/** Blocks in a list item are indented by three columns. */
function outdented(text: string): string {
  return text.startsWith('   ') ? text.replace(/^ {1,3}/gm, '') : text
}
