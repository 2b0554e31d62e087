import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What a connection, or several, carried in both directions. Packets carry data; on loopback one packet is about one write. */
export interface Traffic {
  sentBytes: number
  receivedBytes: number
  sentPackets: number
  receivedPackets: number
}

/** The sums of each open connection of a process, by its own address. */
export type Connections = Map<string, Traffic & { port: number }>

/** The connections of process `pid`, from the kernel through `ss` (Debian's package `iproute2`). */
export async function connectionsOf(pid: number): Promise<Connections> {
  const { stdout } = await run('ss', ['-tinHOp'], { maxBuffer: 64 << 20 })
  return connectionsIn(stdout, pid)
}

/** The connections of process `pid` in the output of `ss -tinHOp`, which has one connection a line. */
export function connectionsIn(said: string, pid: number): Connections {
  const lines = said.split('\n').filter((line) => line.includes(`pid=${pid},`))
  return new Map(
    lines.map((line) => {
      const [, , , own = '', peer = ''] = line.split(/ +/)
      // A field that is 0 is left out.
      const field = (name: string): number => Number(new RegExp(` ${name}:(\\d+)`).exec(line)?.[1] ?? 0)
      const traffic = {
        port: Number(peer.split(':').at(-1)),
        sentBytes: field('bytes_sent'),
        receivedBytes: field('bytes_received'),
        sentPackets: field('data_segs_out'),
        receivedPackets: field('data_segs_in'),
      }
      return [own, traffic]
    }),
  )
}

/** What connections to `port` of another process carried between `before` and `after`. What a connection carried that was closed by then is lost. */
export function trafficTo(port: number, before: Connections, after: Connections): Traffic {
  const sum: Traffic = { sentBytes: 0, receivedBytes: 0, sentPackets: 0, receivedPackets: 0 }
  for (const [own, now] of after) {
    if (now.port !== port) continue
    const then = before.get(own)
    sum.sentBytes += now.sentBytes - (then?.sentBytes ?? 0)
    sum.receivedBytes += now.receivedBytes - (then?.receivedBytes ?? 0)
    sum.sentPackets += now.sentPackets - (then?.sentPackets ?? 0)
    sum.receivedPackets += now.receivedPackets - (then?.receivedPackets ?? 0)
  }
  return sum
}
