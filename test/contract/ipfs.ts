import { strict as assert } from 'node:assert'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { IpfsError } from '../../src/core/ipfs-error.ts'
import type { PinErrorCode } from '../../src/core/pin.ts'
import type { Progress } from '../../src/core/placement.ts'
import type { Ipfs } from '../../src/core/ports.ts'
import { patience } from '../../testing/patience.ts'

/** An implementation of the `Ipfs` port, with the means to change its Kubo directly. */
export interface IpfsWorld extends AsyncDisposable {
  /** Pins under a name of its own; dials private origins. */
  ipfs: Ipfs
  /** The same Kubo through an adapter that dials public origins only. */
  strict: Ipfs
  /** A fresh block that is stored already. */
  local(): Promise<string>
  /** A CID whose content no peer has. */
  nowhere(): Promise<string>
  /** A CID whose block is stored and does not match its codec. */
  garbage(): Promise<string>
  /** A DAG of `blocks` blocks of 64 KiB and its root, on another peer behind a slow connection. */
  remote(blocks: number): Promise<{ cid: string; origin: string }>
  /** Bytes received over that connection so far. */
  received(): number
  pinByHand(cid: string, name: string, type: 'recursive' | 'direct'): Promise<void>
  unpinByHand(cid: string): Promise<void>
  /** The current pin of `cid`. */
  look(cid: string): Promise<{ name: string; type: string } | null>
  kill(): Promise<void>
  restart(): Promise<void>
}

/** The contract of every `Ipfs`, the real one and the fake. */
export function ipfsContract(title: string, start: () => Promise<IpfsWorld>): void {
  suite(title, { timeout: 120_000 }, () => {
    let world: IpfsWorld
    let ipfs: Ipfs
    const never = new AbortController().signal
    const pin = (cid: string) => ipfs.pin(cid, { signal: never, onProgress: () => {} })

    before(async () => {
      world = await start()
      ipfs = world.ipfs
    })
    after(() => world[Symbol.asyncDispose]())

    test('content is pinned once pin() resolves, the pin is ours, and the result has its blocks and bytes', async () => {
      const cid = await world.local()
      assert.equal(await ipfs.pinned(cid, never), null)
      const { blocks, bytes, foreignPin } = await pin(cid)
      assert.equal(blocks, 1)
      assert.ok(bytes > 0)
      assert.equal(foreignPin, false)
      assert.equal(await ipfs.pinned(cid, never), 'ours')
      assert.equal((await world.look(cid))?.type, 'recursive')
    })

    test('pinning the same content again gives the same result', async () => {
      const cid = await world.local()
      assert.deepEqual(await pin(cid), await pin(cid))
      assert.equal(await ipfs.pinned(cid, never), 'ours')
    })

    test('unpinning removes our pin, and a second unpinning finds none', async () => {
      const cid = await world.local()
      await pin(cid)
      assert.equal(await ipfs.unpin(cid, never), 'unpinned')
      assert.equal(await ipfs.unpin(cid, never), 'absent')
      assert.equal(await ipfs.pinned(cid, never), null)
      assert.equal(await world.look(cid), null)
    })

    for (const name of ['', 'by-hand'])
      test(`a foreign pin ${name ? 'with' : 'without'} a name is reported as foreign, and neither renamed nor removed`, async () => {
        const cid = await world.local()
        await world.pinByHand(cid, name, 'recursive')
        const { foreignPin, blocks } = await pin(cid)
        assert.equal(foreignPin, true)
        assert.equal(blocks, 1)
        assert.equal(await ipfs.pinned(cid, never), 'foreign')
        assert.equal(await ipfs.unpin(cid, never), 'foreign')
        assert.deepEqual(await world.look(cid), { name, type: 'recursive' })
      })

    test('a foreign direct pin becomes recursive, keeps its name, and is never removed', async () => {
      const cid = await world.local()
      await world.pinByHand(cid, 'by-hand', 'direct')
      assert.equal(await ipfs.pinned(cid, never), null)
      assert.equal(await ipfs.unpin(cid, never), 'absent')
      assert.deepEqual(await world.look(cid), { name: 'by-hand', type: 'direct' })
      assert.equal((await pin(cid)).foreignPin, true)
      assert.equal(await ipfs.unpin(cid, never), 'foreign')
      assert.deepEqual(await world.look(cid), { name: 'by-hand', type: 'recursive' })
    })

    test('the list has all recursive pins, and says which are ours', async () => {
      const [ours, foreign, direct] = await Promise.all([world.local(), world.local(), world.local()])
      await pin(ours)
      await world.pinByHand(foreign, 'by-hand', 'recursive')
      await world.pinByHand(direct, 'by-hand', 'direct')
      const listed = new Map<string, boolean>()
      for await (const found of ipfs.pins(never)) listed.set(found.cid, found.ours)
      assert.equal(listed.get(ours), true)
      assert.equal(listed.get(foreign), false)
      assert.equal(listed.has(direct), false)
    })

    test('a garbage collection removes the blocks that no pin holds, neither ours nor a foreign one, and says how many', async () => {
      const [ours, foreign, nobodys] = await Promise.all([world.local(), world.local(), world.local()])
      const { blocks, bytes } = await pin(ours)
      await world.pinByHand(foreign, 'by-hand', 'recursive')
      const { removed, failed } = await ipfs.collectGarbage(never)
      assert.ok(removed >= 1, nobodys)
      assert.equal(failed, 0)
      assert.deepEqual(await pin(ours), { blocks, bytes, foreignPin: false })
      assert.equal((await pin(foreign)).foreignPin, true)
      assert.deepEqual(await ipfs.collectGarbage(never), { removed: 0, failed: 0 })
      await assert.rejects(
        ipfs.pin(nobodys, { signal: AbortSignal.timeout(300), onProgress: () => {} }),
        /timeout/,
      )
    })

    test('content whose foreign pin was removed by hand has no pin; once it is pinned again, it is ours, and is no garbage', async () => {
      const cid = await world.local()
      await world.pinByHand(cid, 'by-hand', 'recursive')
      const { blocks, bytes } = await pin(cid)
      await world.unpinByHand(cid)
      assert.equal(await ipfs.pinned(cid, never), null)
      assert.deepEqual(await pin(cid), { blocks, bytes, foreignPin: false })
      await ipfs.collectGarbage(never)
      assert.equal(await ipfs.pinned(cid, never), 'ours')
      assert.deepEqual(await pin(cid), { blocks, bytes, foreignPin: false })
    })

    test('a caller may stop in the middle of a list', async () => {
      await Promise.all([await world.local(), await world.local()].map(pin))
      for await (const found of ipfs.pins(never)) {
        assert.ok(found.cid)
        break
      }
      assert.ok(await ipfs.repoStat(never))
    })

    test('a pin of content that no peer has reports progress until it is aborted, and rejects with the reason of the abort', async () => {
      const cid = await world.nowhere()
      const given = new AbortController()
      const reason = new Error('enough')
      const seen: Progress[] = []
      const pinning = ipfs.pin(cid, { signal: given.signal, onProgress: (progress) => seen.push(progress) })
      pinning.catch(() => {})
      await until(() => seen.length >= 2)
      assert.deepEqual(seen[0], { blocks: 0, bytes: 0 })
      given.abort(reason)
      await assert.rejects(pinning, (error) => error === reason)
      assert.equal(await ipfs.pinned(cid, never), null)
    })

    test('every call with a signal that is already aborted rejects with the reason of that signal', async () => {
      const reason = new Error('before it began')
      const signal = AbortSignal.abort(reason)
      const cid = await world.local()
      const list = async () => {
        for await (const found of ipfs.pins(signal)) assert.fail(found.cid)
      }
      const calls: (() => Promise<unknown>)[] = [
        () => ipfs.pin(cid, { signal, onProgress: () => {} }),
        () => ipfs.unpin(cid, signal),
        () => ipfs.pinned(cid, signal),
        list,
        () => ipfs.identity(signal),
        () => ipfs.repoStat(signal),
        () =>
          ipfs.connect(
            '/ip4/127.0.0.1/tcp/9/p2p/12D3KooWPt9Y9Kqa4Lq8tWoMUkuz96ooswpuFLam6fqZ5udvAsJf',
            signal,
          ),
      ]
      for (const call of calls) await assert.rejects(call, (error) => error === reason)
      assert.equal(await world.look(cid), null)
    })

    test('a DAG is fetched from its origin block by block; an abort stops the fetch, and a later pin continues it', async () => {
      const { cid, origin } = await world.remote(256)
      await ipfs.connect(origin, never)
      const given = new AbortController()
      const seen: Progress[] = []
      const pinning = ipfs.pin(cid, { signal: given.signal, onProgress: (progress) => seen.push(progress) })
      pinning.catch(() => {})
      await until(() => (seen.at(-1)?.blocks ?? 0) > 10)
      given.abort(new Error('enough'))
      await assert.rejects(pinning, /enough/)
      for (let before = -Infinity; world.received() - before >= 64 * 1024; await sleep(1_000))
        before = world.received()
      assert.ok(world.received() < 256 * 64 * 1024, 'it was fetched to the end')
      assert.equal(await ipfs.pinned(cid, never), null)
      const blocks = seen.map((progress) => progress.blocks)
      assert.deepEqual(
        blocks,
        blocks.toSorted((a, b) => a - b),
      )
      assert.ok((blocks.at(-1) ?? 0) < 257)

      const done = await pin(cid)
      assert.equal(done.blocks, 257)
      assert.ok(done.bytes >= 256 * 64 * 1024)
      assert.equal(await ipfs.pinned(cid, never), 'ours')
    })

    test('the blocks of an incomplete pin are kept for the next attempt until garbage is collected', async () => {
      const { cid, origin } = await world.remote(256)
      await ipfs.connect(origin, never)
      const given = new AbortController()
      let came = 0
      const pinning = ipfs.pin(cid, { signal: given.signal, onProgress: ({ blocks }) => (came = blocks) })
      pinning.catch(() => {})
      await until(() => came > 10)
      given.abort(new Error('enough'))
      await assert.rejects(pinning, /enough/)
      assert.ok((await ipfs.collectGarbage(never)).removed >= came)
    })

    test('content that does not match its CID is refused permanently', async () => {
      await assert.rejects(pin(await world.garbage()), isError('bad_content', true))
    })

    test('a forbidden origin is refused permanently; an origin that does not answer is a temporary error', async () => {
      const peer = '12D3KooWPt9Y9Kqa4Lq8tWoMUkuz96ooswpuFLam6fqZ5udvAsJf'
      const { origin } = await world.remote(1)
      for (const bad of [origin, `/ip4/127.0.0.1/tcp/9/p2p/${peer}`, `/unix/x/p2p/${peer}`, 'garbage'])
        await assert.rejects(world.strict.connect(bad, never), isError('bad_origin', true), bad)
      await assert.rejects(
        ipfs.connect(`/ip4/127.0.0.1/tcp/9/p2p/${peer}`, never),
        isError('bad_origin', false),
      )
    })

    test('a sibling is dialled at any address, even one that is forbidden for origins', async () => {
      const { cid, origin } = await world.remote(2)
      await world.strict.connectSibling(origin, never)
      assert.equal((await world.strict.pin(cid, { signal: never, onProgress: () => {} })).blocks, 3)
    })

    test('it reports its identity, its version, its used bytes and its capacity', async () => {
      const { peerId, multiaddrs, version } = await ipfs.identity(never)
      assert.ok(multiaddrs.length > 0)
      for (const address of multiaddrs) assert.ok(address.endsWith(`/p2p/${peerId}`), address)
      assert.match(version, /^\d+\.\d+\.\d+/)
      const { usedBytes, capacityBytes } = await ipfs.repoStat(never)
      assert.ok(usedBytes > 0 && usedBytes < capacityBytes)
    })

    test('after a Kubo is killed in the middle of a pin, all calls say that it is down, until it is back with its pins', async () => {
      const [standing, missing] = await Promise.all([world.local(), world.nowhere()])
      await pin(standing)
      const alive = Promise.withResolvers<void>()
      const pinning = ipfs.pin(missing, { signal: never, onProgress: () => alive.resolve() })
      pinning.catch(() => {})
      await alive.promise
      await world.kill()
      await assert.rejects(pinning, isError('kubo_down', false))
      await assert.rejects(pin(standing), isError('kubo_down', false))
      await assert.rejects(ipfs.identity(never), isError('kubo_down', false))
      await assert.rejects(
        async () => {
          for await (const found of ipfs.pins(never)) assert.fail(found.cid)
        },
        isError('kubo_down', false),
      )
      await world.restart()
      assert.equal(await ipfs.pinned(standing, never), 'ours')
      assert.equal(await ipfs.pinned(missing, never), null)
    })
  })
}

/** A check for `assert.rejects`: an `IpfsError` of that code. */
export function isError(code: PinErrorCode, permanent: boolean): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof IpfsError, `not an IpfsError: ${error}`)
    assert.equal(error.code, code)
    assert.equal(error.permanent, permanent)
    return true
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + patience.usualMs; !holds(); await sleep(10))
    assert.ok(Date.now() < deadline, 'it did not happen')
}
