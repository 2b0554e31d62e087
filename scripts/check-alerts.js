// npm run check:alerts: checks the alert rules and the configuration for Prometheus with promtool, and makes each alert fire. promtool
// is in Debian's package `prometheus`. Not part of `npm test`.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './install.js'

const checks = [
  ['check', 'rules', 'anchorage.rules.yaml'],
  ['check', 'config', 'prometheus.yaml'],
  ['test', 'rules', 'anchorage.test.yaml'],
]

for (const args of checks) {
  const { error, status } = spawnSync('promtool', args, {
    cwd: join(root, 'deploy/prometheus'),
    stdio: 'inherit',
  })
  if (error !== undefined) {
    const missing = error.code === 'ENOENT'
    console.error(missing ? "promtool is missing: install Debian's package `prometheus`" : error.message)
  }
  if (status !== 0) process.exit(1)
}
