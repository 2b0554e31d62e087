import { strict as assert } from 'node:assert'
import type { World } from '../world/world.ts'

/** One value in a node's metrics. */
export interface Shown {
  name: string
  labels: Record<string, string>
  value: number
}

/** The answer of `/metrics` of node `n`. */
export async function scrape(world: Pick<World, 'value'>, n = 1): Promise<string> {
  const response = await fetch(`${await world.value(`NODE_URL_${n}`)}/metrics`)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return text
}

/** The values in Prometheus' text format, version 0.0.4; escapes in labels are left as they are. */
export function shownIn(text: string): Shown[] {
  return text.split('\n').flatMap((line): Shown[] => {
    const [, name, inner = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    if (name === undefined) return []
    const labels = [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', said = '']) => [
      key,
      said,
    ])
    return [{ name, labels: Object.fromEntries(labels), value: Number(value) }]
  })
}

/** The metric families that the text declares, with or without values. */
export function familiesIn(text: string): string[] {
  return [...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name = '']) => name)
}
