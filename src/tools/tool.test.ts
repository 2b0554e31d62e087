import assert from 'node:assert/strict'
import { test } from 'node:test'
import { versionIn } from './tool.ts'

test('a version is found in whatever a server prints about itself', () => {
  assert.equal(versionIn('nats-server: v2.15.2'), '2.15.2')
  assert.equal(versionIn('ipfs version 0.43.0-rc1'), '0.43.0-rc1')
  assert.equal(versionIn('no idea'), null)
})
