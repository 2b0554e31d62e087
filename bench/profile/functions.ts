import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Inspector } from '../inspector.ts'

/** A profile as V8 gives it: `samples` are ids of `nodes`, taken `timeDeltas` µs apart. */
export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  samples: number[]
  timeDeltas: number[]
}

/** A function, or all functions of one place, and its own part of the time in which the process was not idle. */
export interface Share {
  name: string
  share: number
}

export interface Shares {
  functions: Share[]
  /** By package, or by folder of `src`. */
  places: Share[]
}

/** Takes a CPU profile of a Node process while `work` runs. */
export async function profileOf(node: Inspector, work: () => Promise<unknown>): Promise<CpuProfile> {
  await node.call('Profiler.enable')
  await node.call('Profiler.setSamplingInterval', { interval: 250 })
  await node.call('Profiler.start')
  await work()
  const { profile } = await node.call<{ profile: CpuProfile }>('Profiler.stop')
  await node.call('Profiler.disable')
  return profile
}

/** Which functions, and which places, the time was spent in; files are named from `root`, lines begin with 1. */
export function sharesOf({ nodes, samples, timeDeltas }: CpuProfile, root: string): Shares {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const functions = new Map<string, number>()
  const places = new Map<string, number>()
  let busy = 0
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id)
    // A sample lasts until the next one.
    const took = timeDeltas[index + 1] ?? 0
    if (frame === undefined || frame.functionName === '(idle)') continue
    const file = fileOf(frame.url, root)
    const name = `${frame.functionName || '(anonymous)'}${file === '' ? '' : ` ${file}:${frame.lineNumber + 1}`}`
    busy += took
    functions.set(name, (functions.get(name) ?? 0) + took)
    const place = placeOf(file, frame.functionName)
    places.set(place, (places.get(place) ?? 0) + took)
  }
  return { functions: ranked(functions, busy), places: ranked(places, busy) }
}

function ranked(times: Map<string, number>, all: number): Share[] {
  return [...times].map(([name, time]) => ({ name, share: time / all })).toSorted((a, b) => b.share - a.share)
}

function fileOf(url: string, root: string): string {
  return url.startsWith('file:') ? relative(root, fileURLToPath(url)) : url
}

/** `src/http/server.ts` is in `src/http`, `node_modules/pg/lib/client.js` in `pg`, `node:net` in `node:`. V8's own work has no file. */
function placeOf(file: string, functionName: string): string {
  if (file.startsWith('node:')) return 'node:'
  if (file === '') return functionName.startsWith('(') ? functionName : '(built in)'
  const inPackage = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]
  return inPackage ?? file.split('/').slice(0, 2).join('/')
}
