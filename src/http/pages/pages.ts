import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'

/** Nothing of the page comes from elsewhere, nothing it does leaves this origin, and nothing in it runs but its own files. */
const contentPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const script = 'text/javascript; charset=utf-8'

/** The path of each file, and what it is. */
const files = {
  '/': ['account.html', 'text/html; charset=utf-8'],
  '/pages/account.css': ['account.css', 'text/css; charset=utf-8'],
  '/pages/account.js': ['account.js', script],
  '/pages/api.js': ['api.js', script],
  '/pages/elements.js': ['elements.js', script],
  '/pages/sessions.js': ['sessions.js', script],
  '/pages/tokens.js': ['tokens.js', script],
} as const

/** A plain page at `/` for people: signing in and out, their tokens and sessions. It talks to the routes that programs have. */
export async function pageRoutes(app: FastifyInstance): Promise<void> {
  for (const [path, [name, type]] of Object.entries(files)) {
    const content = await readFile(new URL(name, import.meta.url))
    app.get(path, { schema: { hide: true } }, (_request, reply) =>
      reply
        .headers({
          'content-type': type,
          'content-security-policy': contentPolicy,
          'referrer-policy': 'same-origin',
          // the files of another version would not fit together
          'cache-control': 'no-cache',
        })
        .send(content),
    )
  }
}
