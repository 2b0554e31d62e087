import { parseOrigin } from '../../core/origin.ts'
import type { Pin } from '../../http/client.ts'

/** A pin to add, and where it was read, which error messages name. */
export interface Wish {
  where: string
  /** Null: no pin could be read there. */
  pin: Pin | null
}

/** The limit in the specification. */
const maxOrigins = 20

/**
 * The pin in a line: a status as services return it, or the pin alone. The nodes that have the content now become origins; a string
 * that is not the address of a peer is left out.
 */
export function pinIn(line: string): Pin | null {
  try {
    return pinOf(JSON.parse(line))
  } catch {
    return null
  }
}

export function pinOf(said: { pin?: Pin; delegates?: string[] } & Partial<Pin>): Pin | null {
  const { cid, name, origins, meta } = said.pin ?? said
  if (typeof cid !== 'string') return null
  const sources = [...new Set([...(origins ?? []), ...(said.delegates ?? [])])].filter(isOrigin)
  return {
    cid,
    ...(typeof name === 'string' ? { name } : {}),
    ...(sources.length === 0 ? {} : { origins: sources.slice(0, maxOrigins) }),
    ...(meta && Object.keys(meta).length > 0 ? { meta } : {}),
  }
}

function isOrigin(text: string): boolean {
  try {
    return parseOrigin(text) === text
  } catch {
    return false
  }
}
