import { escaped } from '../http/escaped.ts'

/** Pages of dev's identity provider: plain HTML that loads nothing from elsewhere. */

export const contentPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

/** Asks for the user and the password. */
export function loginPage(
  action: string,
  options: { users: readonly string[]; problem: string | null },
): string {
  const { users, problem } = options
  const choices = users.map((user) => `<option>${escaped(user)}</option>`).join('')
  return page(
    'Sign in',
    `${problem === null ? '' : `<p role="alert">${escaped(problem)}</p>`}
<form method="post" action="${escaped(action)}">
<p><label>Who <select name="user" autofocus>${choices}</select></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button>Sign in</button></p>
</form>`,
  )
}

/** Asks whether to sign out; `form` is the provider's own, without a button. */
export function logoutPage(form: string): string {
  return page(
    'Sign out',
    `<p>Sign out of the identity provider of anchorage dev?</p>
${form}
<p><button form="op.logoutForm" name="logout" value="yes" autofocus>Sign out</button>
<button form="op.logoutForm">Stay signed in</button></p>`,
  )
}

/** A page with a title and a body. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)} · anchorage dev</title>
<style>body { font: 1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 3rem auto; padding: 0 1rem }</style>
<h1>${escaped(title)}</h1>
${body}
</html>
`
}
