import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isCode } from '../core/errors.ts'
import { folderId, openDataFolder } from './data-folder.ts'

let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'anchorage-folder-'))
})
after(() => rm(dir, { recursive: true }))

test('a folder keeps its id, and another folder has another one', async () => {
  const ids: string[] = []
  for (const name of ['one', 'one', 'two']) {
    await using folder = await openDataFolder(join(dir, name))
    ids.push(folder.id)
  }
  assert.equal(ids[0], ids[1])
  assert.notEqual(ids[0], ids[2])
  assert.equal(await folderId(join(dir, 'one')), ids[0])
  assert.equal(await folderId(join(dir, 'none')), null)
})

test('one process at a time has a folder', async () => {
  const path = join(dir, 'shared')
  await using _ = await openDataFolder(path)
  await assert.rejects(
    openDataFolder(path),
    (error) =>
      isCode(error, 'conflict') && new RegExp(`process ${process.pid} runs a node`).test(error.message),
  )
})

test('a folder that cannot be made is refused', async () => {
  await writeFile(join(dir, 'file'), '')
  await assert.rejects(openDataFolder(join(dir, 'file', 'below')), (error) => isCode(error, 'invalid'))
})
