import { strict as assert } from 'node:assert'
import type { Block } from '../content.ts'

/** Direct access to a Kubo: tests compare the API with its state. */
export interface KuboRpc {
  url: string
  /** Stores raw blocks without pinning them. */
  put(blocks: readonly Block[]): Promise<void>
  /** Adds bytes as a balanced DAG of 256 KiB leaves, unpinned; resolves with the root. */
  add(bytes: Uint8Array<ArrayBuffer>): Promise<string>
  /** All recursive pins: CID to pin name. */
  pins(): Promise<Map<string, string>>
  /** CIDs of all blocks that it stores. */
  blocks(): Promise<string[]>
  /** Collects garbage: removes all blocks without a pin. */
  gc(): Promise<void>
  call(command: string, query?: [string, string][], form?: FormData): Promise<string>
}

export function kuboRpc(url: string): KuboRpc {
  const call: KuboRpc['call'] = async (command, query = [], form) => {
    const response = await fetch(`${url}/api/v0/${command}?${new URLSearchParams(query)}`, {
      method: 'POST',
      ...(form === undefined ? {} : { body: form }),
    })
    const text = await response.text()
    assert.equal(response.status, 200, `${command}: ${text}`)
    return text
  }
  return {
    url,
    call,
    async put(blocks) {
      for (let at = 0; at < blocks.length; at += 500) {
        const form = new FormData()
        for (const { bytes } of blocks.slice(at, at + 500)) form.append('file', new Blob([bytes]))
        await call('block/put', [['cid-codec', 'raw']], form)
      }
    },
    async add(bytes) {
      const form = new FormData()
      form.append('file', new Blob([bytes]))
      const query: [string, string][] = [
        ['cid-version', '1'],
        ['raw-leaves', 'true'],
        ['pin', 'false'],
        ['chunker', 'size-262144'],
        ['quieter', 'true'],
      ]
      return linesOf<{ Hash: string }>(await call('add', query, form)).at(-1)?.Hash ?? assert.fail('no root')
    },
    async pins() {
      const text = await call('pin/ls', [
        ['type', 'recursive'],
        ['names', 'true'],
        ['stream', 'true'],
      ])
      return new Map(linesOf<{ Cid: string; Name?: string }>(text).map((pin) => [pin.Cid, pin.Name ?? '']))
    },
    async blocks() {
      return linesOf<{ Ref: string }>(await call('refs/local')).map((line) => line.Ref)
    },
    async gc() {
      await call('repo/gc', [['quiet', 'true']])
    },
  }
}

function linesOf<T>(text: string): T[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T)
}
