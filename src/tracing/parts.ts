import { SpanKind } from '@opentelemetry/api'
import type { PinUseCases } from '../core/pins.ts'
import type { Bus, Ipfs } from '../core/ports.ts'
import type { Causes } from './causes.ts'
import type { Spans } from './spans.ts'
import { writeTraceparent } from './traceparent.ts'

/** Traces each use case that changes pins as a span: how long its transaction took, waiting included. */
export function tracedPins(pins: PinUseCases, spans: Spans): PinUseCases {
  return {
    ...pins,
    create: (principal, request) =>
      spans.below('accept a pin', {}, async (span) => {
        const pin = await pins.create(principal, request)
        span?.setAttribute('anchorage.pin.id', pin.id)
        return pin
      }),
    replace: (principal, requestid, request) =>
      spans.below('replace a pin', {}, async (span) => {
        const pin = await pins.replace(principal, requestid, request)
        span?.setAttribute('anchorage.pin.id', pin.id)
        return pin
      }),
    remove: (principal, requestid) =>
      spans.below('remove a pin', {}, () => pins.remove(principal, requestid)),
  }
}

/** Jobs that a request causes carry its trace. Jobs of loops belong to no trace. */
export function tracedBus(bus: Bus, spans: Spans, causes: Causes): Bus {
  return {
    trouble: () => bus.trouble(),
    publishJobs: (jobs) => {
      const attributes = { 'messaging.system': 'nats', 'messaging.batch.message_count': jobs.length }
      return spans.below('publish hints', { kind: SpanKind.PRODUCER, attributes }, (span) => {
        if (span === null) return bus.publishJobs(jobs)
        const traceparent = writeTraceparent(span.spanContext())
        // Noted even while NATS is away: this node may be the one that finds the row.
        for (const { generation } of jobs) causes.note(generation, traceparent)
        return bus.publishJobs(jobs.map((job) => ({ ...job, traceparent })))
      })
    },
    consumeJobs: (nodeId, maxPending, onJob, signal) =>
      bus.consumeJobs(
        nodeId,
        maxPending,
        (job) => {
          if (job.traceparent !== undefined) causes.note(job.generation, job.traceparent)
          return onJob(job)
        },
        signal,
      ),
  }
}

/** Traces the calls of an attempt to Kubo. The calls of loops belong to no trace. */
export function tracedIpfs(ipfs: Ipfs, spans: Spans): Ipfs {
  const call = <T>(name: string, work: () => Promise<T>): Promise<T> =>
    spans.below(name, { kind: SpanKind.CLIENT }, work)
  return {
    ...ipfs,
    pin: (cid, options) =>
      spans.below('kubo pin', { kind: SpanKind.CLIENT }, async (span) => {
        const pinned = await ipfs.pin(cid, options)
        span?.setAttributes({ 'anchorage.blocks': pinned.blocks, 'anchorage.bytes': pinned.bytes })
        return pinned
      }),
    unpin: (cid, signal) => call('kubo unpin', () => ipfs.unpin(cid, signal)),
    pinned: (cid, signal) => call('kubo look', () => ipfs.pinned(cid, signal)),
    connect: (origin, signal) => call('kubo connect to an origin', () => ipfs.connect(origin, signal)),
    connectSibling: (address, signal) =>
      call('kubo connect to a sibling', () => ipfs.connectSibling(address, signal)),
  }
}
