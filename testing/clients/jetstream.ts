import { strict as assert } from 'node:assert'
import { jetstreamManager } from '@nats-io/jetstream'
import { dial } from '../../src/cluster/dial.ts'

/**
 * Asserts that each stream and each consumer is on `replicas` servers, all of them up to date. Until then, losing one more server may
 * lose the majority: a replica that has just come back, or was just added, cannot vote with current data.
 */
export async function assertAllReplicasCurrent(url: string, replicas: number): Promise<void> {
  const nc = await dial(url, 'a test')
  try {
    const manager = await jetstreamManager(nc, { checkAPI: false })
    let streams = 0
    for await (const { config, cluster } of manager.streams.list()) {
      streams++
      assertCurrent(config.name, cluster, replicas)
      for await (const consumer of manager.consumers.list(config.name))
        assertCurrent(`${config.name} ${consumer.name}`, consumer.cluster, replicas)
    }
    assert.ok(streams > 0, 'JetStream has no streams yet')
  } finally {
    await nc.close()
  }
}

interface Group {
  leader?: string
  replicas?: { name: string; current: boolean; offline?: boolean }[]
}

function assertCurrent(what: string, group: Group | undefined, replicas: number): void {
  // A single server has no group, and is the only replica.
  if (group === undefined && replicas === 1) return
  assert.ok(group?.leader, `${what} has no leader`)
  const others = group.replicas ?? []
  assert.equal(1 + others.length, replicas, `${what} lies on ${1 + others.length} servers`)
  for (const { name, current, offline } of others)
    assert.ok(current && offline !== true, `${what} is behind, or away, on ${name}`)
}
