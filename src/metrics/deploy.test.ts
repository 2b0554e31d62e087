import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'

const read = (file: string) =>
  readFileSync(join(import.meta.dirname, '../../deploy/prometheus', file), 'utf8')

interface Rules {
  groups: { rules: { alert: string; annotations: Record<string, string> }[] }[]
}

const { groups }: Rules = parse(read('anchorage.rules.yaml'))
const alerts = groups.flatMap(({ rules }) => rules)
const { tests }: { tests: { name: string }[] } = parse(read('anchorage.test.yaml'))

test('every alert has a rule test that makes it fire (npm run check:alerts runs it), and says what to do', () => {
  assert.ok(alerts.length > 15)
  const tested = tests.map(({ name }) => name)
  assert.deepEqual(
    alerts.map(({ alert }) => alert).filter((alert) => !tested.includes(alert)),
    [],
  )
  assert.deepEqual(
    alerts.filter(({ annotations }) => !annotations['summary'] || !annotations['description']),
    [],
  )
})
