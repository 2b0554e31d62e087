import { strict as assert } from 'node:assert'
import { test } from 'node:test'
import { connectionsIn, trafficTo } from './traffic.ts'

const line = (own: number, peer: number, pid: number, sums: string): string =>
  `ESTAB 0      0      127.0.0.1:${own} 127.0.0.1:${peer} users:(("MainThread",pid=${pid},fd=70)) bbr wscale:10,10 rto:204 ${sums} send 2218bps\n`

test('the traffic to a port is what its connections of one process carried in between', () => {
  const before = connectionsIn(
    line(40001, 5432, 12, 'bytes_sent:100 bytes_acked:101 bytes_received:70 data_segs_out:4 data_segs_in:5') +
      line(40002, 4222, 12, 'bytes_sent:9000 data_segs_out:90'),
    12,
  )
  const after = connectionsIn(
    line(40001, 5432, 12, 'bytes_sent:150 bytes_acked:151 bytes_received:90 data_segs_out:6 data_segs_in:8') +
      line(40002, 4222, 12, 'bytes_sent:9999 data_segs_out:99') +
      line(40003, 5432, 12, 'bytes_sent:7 bytes_acked:8 data_segs_out:1') +
      line(40004, 5432, 123, 'bytes_sent:5000 bytes_received:5000 data_segs_out:50 data_segs_in:50'),
    12,
  )
  assert.deepEqual(trafficTo(5432, before, after), {
    sentBytes: 57,
    receivedBytes: 20,
    sentPackets: 3,
    receivedPackets: 3,
  })
})

test('a connection that was closed in between takes nothing away', () => {
  const before = connectionsIn(line(40001, 5432, 12, 'bytes_sent:100 data_segs_out:4'), 12)
  assert.equal(trafficTo(5432, before, new Map()).sentBytes, 0)
})
