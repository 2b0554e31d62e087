import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'

const types = { A: 1, TXT: 16, AAAA: 28 } as const

/** The records that a name server has for "name TYPE", in wire format. */
export type Records = (question: string) => Buffer[]

/** A name server for tests; on loopback and a free port by default. */
export interface TestDns extends AsyncDisposable {
  /** `host:port`. */
  address: string
}

/** Answers with `records`, and with NXDOMAIN when there are none; with null, never answers. */
export async function testDns(
  records: Records | null,
  {
    host = '127.0.0.1',
    port = 0,
    beforeAnswer,
  }: { host?: string; port?: number; beforeAnswer?: () => Promise<void> } = {},
): Promise<TestDns> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  const answer = async (query: Buffer, from: RemoteInfo): Promise<void> => {
    await beforeAnswer?.()
    if (records) socket.send(answerTo(query, records), from.port, from.address)
  }
  socket.on('message', (query, from) => void answer(query, from))
  socket.bind(port, host)
  await once(socket, 'listening')
  return {
    address: `${host}:${socket.address().port}`,
    async [Symbol.asyncDispose]() {
      socket.close()
      await once(socket, 'close')
    },
  }
}

/** The data of a TXT record. */
export function txt(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
}

function answerTo(query: Buffer, records: Records): Buffer {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const questionEnd = at + 5
  const wanted = query.readUInt16BE(at + 1)
  const type = Object.entries(types).find(([, number]) => number === wanted)?.[0]
  const found = records(`${labels.join('.').toLowerCase()} ${type}`)
  const header = Buffer.from(query.subarray(0, 12))
  header.writeUInt16BE(found.length > 0 ? 0x8180 : 0x8183, 2)
  header.writeUInt16BE(found.length, 6)
  // neither authority nor additional records, whatever the question brought
  header.writeUInt32BE(0, 8)
  const answers = found.map((data) => {
    const head = Buffer.from([0xc0, 12, 0, wanted, 0, 1, 0, 0, 0, 60, 0, 0])
    head.writeUInt16BE(data.length, 10)
    return Buffer.concat([head, data])
  })
  return Buffer.concat([header, query.subarray(12, questionEnd), ...answers])
}
