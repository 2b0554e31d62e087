import type { NodeId } from '../core/ids.ts'
import { isWorking } from '../core/node-standing.ts'
import { addressesOf, type Node } from '../core/node.ts'
import type { KnownNodes } from '../store/pin-rows.ts'

interface Known {
  name: string
  addresses: string[]
  works: boolean
  alone: boolean
}

/** Names and addresses of the nodes, computed again only when `nodes` returns another array. */
export function knownNodes(nodes: () => readonly Node[]): KnownNodes {
  let from: readonly Node[] | null = null
  let entries = new Map<NodeId, Known>()
  let any: string[] = []
  const read = () => {
    const list = nodes()
    if (list === from) return entries
    entries = new Map(
      list.map((node) => [
        node.id,
        {
          name: node.name,
          addresses: addressesOf(node),
          works: isWorking(node),
          alone: node.live && node.kubo?.alone === true,
        },
      ]),
    )
    const taking = list.filter((node) => isWorking(node) && node.state === 'active')
    any = (taking.length > 0 ? taking : list).flatMap(addressesOf)
    from = list
    return entries
  }
  return {
    addresses: (id) => read().get(id)?.addresses ?? addressesOf({ id, multiaddrs: [] }),
    name: (id) => read().get(id)?.name ?? id,
    works: (id) => read().get(id)?.works ?? true,
    alone: (id) => read().get(id)?.alone ?? false,
    anyAddresses() {
      read()
      return any
    },
  }
}
