import { ask, Refused } from './api.js'
import { at, complain, make } from './elements.js'
import { sessionsPart } from './sessions.js'
import { forgetSecret, tokensPart } from './tokens.js'

/** The key under which the chosen org is kept, for the next visit with this tab. */
const orgKey = 'anchorage.org'

/** Runs `work` and shows why it failed. If the session is over, shows the page of a signed-out person. */
async function attempt(work) {
  try {
    await work()
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return showSignedOut('You are signed out.')
    complain(error instanceof Refused ? sentence(error.message) : 'The service cannot be reached: try again.')
  }
}

async function start() {
  try {
    showSignedIn(await ask('GET', '/auth/session'))
  } catch (error) {
    if (!(error instanceof Refused)) return complain('The service cannot be reached: reload this page.')
    if (error.status === 401) return showSignedOut('')
    showSignedOut(sentence(error.message))
    at('signed-out').hidden = error.status === 404
  }
}

function showSignedOut(trouble) {
  forgetSecret()
  at('signed-in').hidden = true
  at('signed-out').hidden = false
  complain(trouble)
}

function showSignedIn(known) {
  at('signed-in').hidden = false
  showWho(known)
  const choice = /** @type {HTMLSelectElement} */ (at('org'))
  choice.replaceChildren(...known.memberships.map(({ org, slug }) => make('option', { value: org }, slug)))
  at('org-choice').hidden = known.memberships.length < 2
  const last = sessionStorage.getItem(orgKey)
  if (known.memberships.some(({ org }) => org === last)) choice.value = last
  choice.onchange = () => {
    sessionStorage.setItem(orgKey, choice.value)
    forgetSecret()
    void attempt(() => showTokens(known, choice.value))
  }
  at('sign-out').onclick = () => void attempt(signOut)
  void attempt(() => showTokens(known, choice.value))
  void attempt(() => sessionsPart({ attempt }).show())
}

/** @param {string} chosen the org's id, '' without one */
async function showTokens({ user, memberships }, chosen) {
  const membership = memberships.find(({ org }) => org === chosen)
  const scopes =
    membership === undefined ? [] : [...membership.scopes, ...(user.operator ? ['cluster:admin'] : [])]
  const org = membership?.org ?? null
  const isSuspended = membership !== undefined && membership.suspended !== null
  await tokensPart({ org, isSuspended, userId: user.id, scopes, attempt }).show()
}

function showWho({ user, memberships }) {
  const rows = [
    ['Name', user.name ?? 'not known'],
    ['Email', user.email ?? 'not known'],
    ['Your id', user.id],
    ['Orgs', memberships.map(inOrg).join(', ') || 'none'],
    ...(user.operator ? [['Also', 'cluster operator']] : []),
  ]
  at('who').replaceChildren(...rows.flatMap(([term, text]) => [make('dt', {}, term), make('dd', {}, text)]))
}

function inOrg({ slug, role, suspended }) {
  return `${slug} (${suspended === null ? role : `${role}; suspended: ${suspended}`})`
}

async function signOut() {
  const { redirect } = await ask('POST', '/auth/logout')
  sessionStorage.removeItem(orgKey)
  forgetSecret()
  location.assign(redirect ?? '/')
}

/** Turns a reason into a sentence. */
function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

await start()
