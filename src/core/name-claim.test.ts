import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bareClaim, mayTake, type ClaimedNode, type NameClaim, type Verdict } from './name-claim.ts'

/** The node `a`, which runs now on the machine of `claim`. */
const row: ClaimedNode = {
  name: 'a',
  folderId: 'folder-a',
  machine: 'machine-a',
  peerId: 'kubo-a',
  settings: { 'pin.replicas': '2' },
  live: true,
  silentMs: 3_000,
}
const claim: NameClaim = {
  ...bareClaim,
  folderId: 'folder-a',
  machine: 'machine-a',
  peerId: 'kubo-a',
  settings: { 'pin.replicas': '2' },
}
const stopped = { machine: null }
const silent = { live: false, silentMs: 60_000 }
const elsewhere = { folderId: 'folder-b', machine: 'machine-b', peerId: 'kubo-b' }

const cases: [
  what: string,
  row: Partial<ClaimedNode> | null,
  claim: Partial<NameClaim>,
  Verdict['may'],
  RegExp?,
][] = [
  ['a new name', null, {}, 'take'],
  ['the process that held the name was killed on this machine', {}, {}, 'take'],
  ['the same, while Kubo is away', {}, { peerId: null }, 'take'],
  ['the process has stopped cleanly', stopped, {}, 'take'],
  [
    'the folder comes from another machine, where the process may still run',
    {},
    { machine: 'm' },
    'wait',
    /3 s ago/,
  ],
  ['the folder comes from another machine, where the process has stopped', stopped, { machine: 'm' }, 'take'],
  ['the folder comes from another machine, which has been silent', silent, { machine: 'm' }, 'take'],
  ['another machine with a copied config', {}, elsewhere, 'refuse', /another process runs as the node a/],
  ['the same, after the node has stopped', { ...stopped, ...silent }, elsewhere, 'refuse', /kubo-a.*kubo-b/],
  ['the same, with its Kubo away', silent, { ...elsewhere, peerId: null }, 'refuse', /--adopt/],
  [
    'another folder beside the same Kubo, while the node runs',
    {},
    { folderId: 'b' },
    'refuse',
    /another process/,
  ],
  ['another folder beside the same Kubo', stopped, { folderId: 'b' }, 'take'],
  [
    'another Kubo beside the same folder',
    stopped,
    { peerId: 'kubo-b' },
    'refuse',
    /belongs to the Kubo kubo-a/,
  ],
  ['a machine that has adopted the name of a silent one', { ...silent, peerId: 'kubo-b' }, elsewhere, 'take'],
  [
    'a row of an older version',
    { ...stopped, folderId: null, settings: null },
    elsewhere,
    'refuse',
    /kubo-a/,
  ],
  ['a row of an older version and its Kubo', { ...stopped, folderId: null, settings: null }, {}, 'take'],
  ['a restored row', { ...stopped, folderId: null, peerId: null, settings: null }, elsewhere, 'take'],
  ['a claim that shows nothing, for a name that is not held', stopped, bareClaim, 'take'],
]

for (const [what, known, shown, may, reason] of cases)
  test(`${may}: ${what}`, () => {
    const verdict = mayTake('a', { ...claim, ...shown }, known === null ? [] : [{ ...row, ...known }])
    assert.equal(verdict.may, may, JSON.stringify(verdict))
    if (reason !== undefined) assert.match('reason' in verdict ? verdict.reason : '', reason)
  })

test("refuse: the data folder or the Kubo of another node, also after that node's end", () => {
  const other = { ...row, ...stopped, ...silent }
  const folder = mayTake('b', { ...claim, peerId: null }, [other])
  assert.match('reason' in folder ? folder.reason : '', /data\.dir belongs to the node a/)
  const kubo = mayTake('b', { ...claim, folderId: 'folder-b' }, [other])
  assert.match('reason' in kubo ? kubo.reason : '', /kubo\.rpc belongs to the node a/)
})

test('refuse: a new node with another setting than the nodes that run', () => {
  const fresh = { ...elsewhere, settings: { 'pin.replicas': '3' } }
  const beside = (other: Partial<ClaimedNode>) => mayTake('b', { ...claim, ...fresh }, [{ ...row, ...other }])
  const refused = beside({})
  assert.match(
    'reason' in refused ? refused.reason : '',
    /^pin\.replicas is 3 here, and 2 on the node a: use the value/,
  )
  assert.equal(beside(stopped).may, 'take', 'a node that has stopped has no say')
  assert.equal(beside({ settings: null }).may, 'take', 'an older version says nothing')
})
