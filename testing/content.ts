import { randomBytes } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'

/** A raw block and the CID that names it. */
export interface Block {
  cid: string
  bytes: Uint8Array<ArrayBuffer>
}

/** `count` blocks that exist nowhere else. */
export async function freshBlocks(count: number, size = 256): Promise<Block[]> {
  return Promise.all(Array.from({ length: count }, () => blockOf(Uint8Array.from(randomBytes(size)))))
}

/** A CID whose content was discarded: no peer can ever provide it. */
export async function lostCid(): Promise<string> {
  const [block] = await freshBlocks(1)
  return (block ?? (await blockOf(new Uint8Array(1)))).cid
}

async function blockOf(bytes: Uint8Array<ArrayBuffer>): Promise<Block> {
  return { cid: CID.createV1(raw.code, await sha256.digest(bytes)).toString(), bytes }
}
