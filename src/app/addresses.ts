import type { NodeId } from '../core/ids.ts'
import { addressesOf, type Node } from '../core/node.ts'

/** The addresses of each node's Kubo, worked out anew only when the nodes are another array. */
export function addressBook(nodes: () => readonly Node[]): (id: NodeId) => string[] {
  let from: readonly Node[] | null = null
  let book = new Map<NodeId, string[]>()
  return (id) => {
    const list = nodes()
    if (list !== from) book = new Map(list.map((node) => [node.id, addressesOf(node)]))
    from = list
    return book.get(id) ?? addressesOf({ id, multiaddrs: [] })
  }
}
