import { escaped } from '../escaped.ts'
import type { FastifyInstance } from 'fastify'

/** The page loads no script, style or image. */
const contentPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

/** Shows failures of these routes as a page to a browser that navigated here; programs get the same failure as JSON. */
export function showFailures(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    if (reply.statusCode < 400 || typeof payload !== 'string') return payload
    if (!(request.headers.accept ?? '').includes('text/html')) return payload
    const { error }: { error: { details: string } } = JSON.parse(payload)
    reply.headers({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': contentPolicy,
      // the address of this page holds what the provider sent
      'referrer-policy': 'no-referrer',
    })
    return page(error.details)
  })
}

function page(details: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Not signed in · anchorage</title>
<h1>Not signed in</h1>
<p>${escaped(details)}</p>
<p><a href="/v1/auth/login">Sign in</a> · <a href="/">Back</a></p>
</html>
`
}
