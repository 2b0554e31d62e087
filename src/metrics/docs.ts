import { Instruments } from './instruments.ts'
import { families, type Family } from './families.ts'

/** `docs/metrics.md`: every family, from the table that the program itself uses. */
export function metricsDocs(): string {
  const ours = Object.entries<Family>(families)
  const process = new Instruments().vitalSigns().map(({ name, help }) => `| \`${name}\` | ${help} |\n`)
  return `# Metrics

<!-- Made by \`anchorage config metrics\`; a test compares it with the code. -->

Each node answers \`GET /metrics\` in Prometheus' text format. An answer comes from memory: it costs Postgres, NATS and Kubo nothing, and it
works while they are unavailable.

A node answers only sockets whose address lies in a network of \`metrics.allow\` (by default those of this machine), and answers 403 to all
others. It also answers 403 to every request that a proxy passed on, that is, one with \`X-Forwarded-For\`, \`Forwarded\`, \`Via\`,
\`X-Real-IP\` or another \`X-Forwarded-…\` header. A proxy that adds none of these and reaches the node from an allowed address would open
\`/metrics\` to its clients: exclude that path in the proxy, or give metrics a separate listener with \`metrics.listen\`.

[\`deploy/prometheus\`](../deploy/prometheus) has a scrape configuration and alert rules, and
[\`deploy/grafana\`](../deploy/grafana) a dashboard to import. \`npm run check:alerts\` checks the rules and makes each alert fire; it needs
\`promtool\` (Debian's package \`prometheus\`). Labels have few values: never an org, a pin, a CID or a client.

## Metrics of each node

Counters begin at 0 when the node starts. Sums over nodes are meaningful.

${table(ours.filter(([, { from }]) => from !== 'leader'))}
## Metrics of the whole cluster

Only the leader shows these families. It reads them every 15 seconds and drops them when it no longer leads. So \`sum\` and \`max\` over all
nodes count nothing twice, and without a leader there are no values. Their cost does not grow with the number of pins
([ADR 54](adr/0054-placements-are-counted-as-they-change.md)).

${table(ours.filter(([, { from }]) => from === 'leader'))}
## Metrics of the process

prom-client measures these.

| Family | Meaning |
| --- | --- |
${process.join('')}`
}

function table(rows: [string, Family][]): string {
  const lines = rows.map(([name, { type, labels, help }]) => {
    const shown = labels.map((label) => `\`${label}\``).join(', ')
    return `| \`${name}\` | ${type} | ${shown} | ${help} |\n`
  })
  return `| Family | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n${lines.join('')}`
}
