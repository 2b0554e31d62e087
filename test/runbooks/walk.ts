import { strict as assert } from 'node:assert'
import { blocksOf, type Block } from '../../testing/runbook-page.ts'
import type { StandIn } from './shell.ts'

/** Runs the next commands of a page, which must contain `what`; resolves with their output. */
export type Next = (what: string, ...standIns: StandIn[]) => Promise<string>

/** Runs a block as its reader would. */
export type Type = (block: Block, standIns: readonly StandIn[]) => Promise<string>

/** Runs the commands of `page` in order, to the last one: `steps` knows the purpose of each, and `type` runs it. */
export async function walk(page: string, type: Type, steps: (next: Next) => Promise<void>): Promise<void> {
  const left = blocksOf(page).filter(({ notRun }) => notRun === null)
  await steps(async (what, ...standIns) => {
    const block = left.shift() ?? assert.fail(`${page} has no further commands, and ${what} was expected`)
    const place = `${page}:${block.line}`
    assert.ok(block.text.includes(what), `${place}: expected ${what}, found\n${block.text}`)
    try {
      return await type(block, standIns)
    } catch (cause) {
      throw new Error(`${place} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  })
  assert.deepEqual(left, [], 'commands that nothing ran')
}
