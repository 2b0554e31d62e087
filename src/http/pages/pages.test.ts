import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeServer } from '../../../testing/fakes/http-server.ts'

test('the page runs only its own files, and every file that they load exists', async () => {
  const { app } = fakeServer()
  const page = await app.inject('/')
  assert.equal(page.statusCode, 200)
  assert.match(String(page.headers['content-type']), /^text\/html/)
  assert.equal(page.headers['referrer-policy'], 'same-origin')
  const policy = String(page.headers['content-security-policy'])
  assert.match(policy, /default-src 'none'/)
  assert.match(policy, /frame-ancestors 'none'/)
  assert.doesNotMatch(policy, /unsafe|\*|https?:/)
  assert.doesNotMatch(page.body, /<script>|<style|\bstyle=|\bon\w+=/)
  const queue = [...page.body.matchAll(/(?:src|href)="(\/pages\/[^"]+)"/g)].map(([, path]) => String(path))
  assert.ok(queue.length > 1)
  const seen = new Set(queue)
  for (const path of seen) {
    const file = await app.inject(path)
    assert.equal(file.statusCode, 200, path)
    assert.equal(file.headers['x-content-type-options'], 'nosniff')
    assert.match(
      String(file.headers['content-type']),
      path.endsWith('.js') ? /^text\/javascript/ : /^text\/css/,
    )
    for (const [, name] of file.body.matchAll(/ from '\.\/([^']+)'/g)) seen.add(`/pages/${name}`)
  }
  assert.ok(seen.size > 4)
  assert.equal((await app.inject('/pages/..%2fpages.ts')).statusCode, 404)
})
